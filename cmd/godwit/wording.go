package main

import (
	"fmt"
	"path"
	"strings"
	"time"

	pb "godwit/protos/godwit/v1"
)

// name is what a transfer is called in a few characters: the last segment of
// its near side or, where that has no name of the user's, of its far side.
func name(t *pb.Transfer) string {
	place := t.GetDestination().GetUrl()
	if source := t.GetSource().GetUrl(); source != "" && t.GetDirection() == pb.Transfer_UPLOAD && !t.GetUpload().GetSpooled() {
		place = source
	}
	return printable(path.Base(place))
}

// direction is the way of the bytes in one word.
func direction(t *pb.Transfer) string {
	if t.GetDirection() == pb.Transfer_UPLOAD {
		return "upload"
	}
	return "download"
}

// farSide is the URL on the network.
func farSide(t *pb.Transfer) string {
	if t.GetDirection() == pb.Transfer_UPLOAD {
		return t.GetDestination().GetUrl()
	}
	return t.GetSource().GetUrl()
}

// amount is "450.0 MiB/1.0 GiB", or without the total when that is unknown.
func amount(t *pb.Transfer) string {
	done := humanBytes(position(t))
	if size := total(t); size >= 0 {
		return done + "/" + humanBytes(size)
	}
	return done
}

// percent is " 45%", or blank when the size is unknown.
func percent(t *pb.Transfer) string {
	size := total(t)
	switch {
	case size < 0:
		return "    "
	case size == 0:
		return "100%"
	}
	return fmt.Sprintf("%3d%%", min(position(t)*100/size, 100))
}

func rateText(m *meter) string {
	if !m.known {
		return "-"
	}
	return humanBytes(int64(m.rate)) + "/s"
}

func etaText(m *meter, t *pb.Transfer) string {
	left := m.remaining(total(t))
	if left < 0 {
		return ""
	}
	return "ETA " + shortDuration(left)
}

// answerDue is the word for an upload that has sent everything; else it is "".
func answerDue(t *pb.Transfer) string {
	if n := total(t); t.GetDirection() == pb.Transfer_UPLOAD && t.GetStatus() == pb.Transfer_RUNNING && n > 0 && position(t) >= n {
		return "awaiting the answer"
	}
	return ""
}

// shortDuration has two units at most: 12s, 1m50s, 3h20m, 4d6h.
func shortDuration(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours := d/(24*time.Hour), d%(24*time.Hour)/time.Hour
	minutes, seconds := d%time.Hour/time.Minute, d%time.Minute/time.Second
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm%ds", minutes, seconds)
	}
	return fmt.Sprintf("%ds", seconds)
}

// statusText is the status, with the reason where it does not run.
func statusText(t *pb.Transfer) string {
	s := strings.ToLower(t.GetStatus().String())
	if t.GetStatus() == pb.Transfer_PAUSED {
		var reasons []string
		for _, r := range t.GetPauseReasons() {
			reasons = append(reasons, strings.ReplaceAll(strings.ToLower(r.String()), "_", " "))
		}
		s += " (" + strings.Join(reasons, ", ") + ")"
	}
	return s
}

// trouble is the failure behind a status, or "".
func trouble(t *pb.Transfer) string {
	return errorText(t.GetError())
}

// retryText says when a waiting transfer tries again, or "".
func retryText(t *pb.Transfer, now time.Time) string {
	waits := t.GetStatus() == pb.Transfer_QUEUED || t.GetStatus() == pb.Transfer_PAUSED
	if !waits || t.GetRetryTime() == nil {
		return ""
	}
	wait := t.GetRetryTime().AsTime().Sub(now)
	if wait < time.Second {
		return ""
	}
	return "next try in " + shortDuration(wait)
}

// sentence is the state of a transfer in one line, for notes and plain logs.
func sentence(t *pb.Transfer, now time.Time) string {
	parts := []string{statusText(t)}
	for _, p := range []string{trouble(t), retryText(t, now)} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ", ")
}
