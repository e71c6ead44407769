package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "godwit/protos/godwit/v1"
)

func owner(t *pb.Transfer) string {
	if t.GetOwner().GetNode() == "" {
		return ""
	}
	return fmt.Sprintf("%s (epoch %d)", t.GetOwner().GetNode(), t.GetOwner().GetEpoch())
}

func counts(t *pb.Transfer) string {
	return fmt.Sprintf("%d, %s", t.GetAttempts(), counted(int(t.GetProgress().GetRestarts()), "restart", "restarts"))
}

func answerText(t *pb.Transfer) string {
	r := t.GetResponse()
	if r.GetStatusCode() == 0 {
		return ""
	}
	resumable := "not resumable"
	if r.GetResumable() {
		resumable = "resumable"
	}
	return fmt.Sprintf("%d from %s, %s", r.GetStatusCode(), r.GetActualUrl(), resumable)
}

// sourceText is where the bytes come from; a form names its parts.
func sourceText(t *pb.Transfer) string {
	parts := t.GetUpload().GetForm().GetParts()
	if len(parts) == 0 {
		return t.GetSource().GetUrl()
	}
	var names []string
	for _, p := range parts {
		name := p.GetName()
		if source := p.GetSource().GetUrl(); source != "" {
			name += "=@" + source
		}
		names = append(names, name)
	}
	return "a form: " + strings.Join(names, ", ")
}

// protocolText is how an upload is sent, and why.
func protocolText(u *pb.Upload) string {
	switch chosen := u.GetChosenProtocol(); {
	case chosen == "":
		return u.GetProtocol()
	case u.GetChosenReason() != "":
		return chosen + ", because " + u.GetChosenReason()
	default:
		return chosen
	}
}

// answerBody is how much of the answer to an upload there is to read.
func answerBody(t *pb.Transfer) string {
	r := t.GetResponse()
	if r.GetBodyBytes() == 0 {
		return ""
	}
	text := humanBytes(r.GetBodyBytes()) + ", see godwit transfer cat"
	if r.GetBodyTruncated() {
		text = "the first " + text
	}
	return text
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func labelText(labels map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, key+"="+labels[key])
	}
	return strings.Join(pairs, " ")
}

// stamp is RFC 3339 in UTC, or "" when not set.
func stamp(at *timestamppb.Timestamp) string {
	if at == nil {
		return ""
	}
	return at.AsTime().Format(time.RFC3339)
}

// age is how long ago, or "" when not set.
func age(at *timestamppb.Timestamp, now time.Time) string {
	if at == nil {
		return ""
	}
	return shortDuration(max(now.Sub(at.AsTime()), 0))
}
