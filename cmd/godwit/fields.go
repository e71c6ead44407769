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
