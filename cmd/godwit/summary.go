package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	pb "godwit/protos/godwit/v1"
)

// summary is the one line that a finished get or put leaves on standard output.
// Elapsed is what this command took, fetched what it saw arriving.
func summary(t *pb.Transfer, elapsed time.Duration, fetched int64) string {
	size := t.GetProgress().GetBytesDone()
	words := []string{shown(t.GetDestination().GetUrl()), humanBytes(size)}
	words = append(words, sums(t)...)
	if t.GetSkipped() {
		return strings.Join(append(words, "skipped: it exists"), "  ")
	}
	if t.GetDirection() == pb.Transfer_UPLOAD {
		words = append(words, answered(t))
	}
	words = append(words, pace(elapsed, fetched))
	if n := t.GetAttempts() - 1; n > 0 {
		words = append(words, counted(int(n), "retry", "retries"))
	}
	if n := t.GetProgress().GetRestarts(); n > 0 {
		words = append(words, counted(int(n), "restart", "restarts"))
	}
	if t.GetUpload().GetMaybeDuplicate() {
		words = append(words, "may have arrived twice")
	}
	return strings.Join(words, "  ")
}

// answered is the status of an upload's last answer, and who gave it where that is
// not the destination: the upload's own URL, or the end of redirects.
func answered(t *pb.Transfer) string {
	r := t.GetResponse()
	text := fmt.Sprintf("answer %d", r.GetStatusCode())
	if url := r.GetActualUrl(); url != "" && url != t.GetDestination().GetUrl() {
		text += " from " + shown(url)
	}
	return text
}

func sums(t *pb.Transfer) []string {
	var words []string
	if s := t.GetChecksums().GetSha256(); s != "" {
		words = append(words, "sha256:"+s)
	}
	if s := t.GetChecksums().GetCrc64Nvme(); s != "" {
		words = append(words, "crc64nvme:"+s)
	}
	return words
}

func pace(elapsed time.Duration, fetched int64) string {
	text := shortTime(elapsed)
	if seconds := elapsed.Seconds(); seconds > 0 && fetched > 0 {
		text += fmt.Sprintf(" (%s/s)", humanBytes(int64(float64(fetched)/seconds)))
	}
	return text
}

// shortTime has a tenth of a second where that says something.
func shortTime(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return shortDuration(d)
}

func counted(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

// details describes a transfer in full, one line a property.
func details(w io.Writer, t *pb.Transfer, now time.Time) {
	properties(w, [][2]string{
		{"id", t.GetId()},
		{"status", sentence(t, now)},
		{"direction", direction(t)},
		{"source", sourceText(t)},
		{"destination", t.GetDestination().GetUrl()},
		{"progress", strings.TrimSpace(percent(t) + " " + amount(t))},
		{"node", owner(t)},
		{"attempts", counts(t)},
		{"priority", strings.ToLower(t.GetPriority().String())},
		{"group", t.GetGroup()},
		{"completion group", t.GetCompletionGroup()},
		{"protocol", protocolText(t.GetUpload())},
		{"answer", answerText(t)},
		{"answer's content", answerBody(t)},
		{"may have arrived twice", yes(t.GetUpload().GetMaybeDuplicate())},
		{"session ends", stamp(t.GetUpload().GetExpireTime())},
		{"checksums", strings.Join(sums(t), " ")},
		{"labels", labelText(t.GetLabels())},
		{"created", stamp(t.GetCreateTime())},
		{"updated", stamp(t.GetUpdateTime())},
		{"finished", stamp(t.GetFinishTime())},
		{"acknowledged", stamp(t.GetAcknowledgeTime())},
		{"canceled by", strings.TrimSpace(t.GetCanceledBy() + " " + t.GetCancelReason())},
		{"body", t.GetBodySource().GetUrl()},
		{"resolver", t.GetResolver().GetUrl()},
		{"fails unless attended to by", stamp(t.GetAttentionDeadline())},
		{"etag", t.GetEtag()},
	})
	attemptTable(w, t.GetAttemptHistory())
}

// attemptTable shows the last requests to the source, oldest first.
func attemptTable(w io.Writer, history []*pb.Attempt) {
	if len(history) == 0 {
		return
	}
	tb := &table{}
	tb.add("TIME", "NODE", "STATUS", "FROM", "URL", "ERROR")
	for _, a := range history {
		status := "-"
		if a.GetStatusCode() != 0 {
			status = fmt.Sprint(a.GetStatusCode())
		}
		tb.add(stamp(a.GetTime()), a.GetNode(), status, fmt.Sprint(a.GetOffset()), a.GetUrl(), a.GetError().GetCode())
	}
	fmt.Fprintln(w)
	tb.write(w)
}

// summaryOfOld is summary for a transfer that an earlier command finished.
func summaryOfOld(t *pb.Transfer) string {
	words := append([]string{shown(t.GetDestination().GetUrl()), humanBytes(t.GetProgress().GetBytesDone())}, sums(t)...)
	return strings.Join(words, "  ")
}
