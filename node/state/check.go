package state

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"godwit/actors"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/transfer"
	"godwit/transfer/completion"
)

// Severity says how much a finding matters.
type Severity string

// The severities: an error is damage, a warning is what takes up room or cannot be
// judged.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Finding is something that is not as it should be.
type Finding struct {
	Severity Severity `json:"severity"`
	// Subject is the key of a record, or the URL of what was left behind.
	Subject string `json:"subject"`
	// Detail says for a person what is wrong.
	Detail string `json:"detail"`
	// Size is what it takes up in bytes, 0 where nobody knows; Removed tells that it
	// was deleted.
	Size    int64 `json:"size,omitempty"`
	Removed bool  `json:"removed"`
}

// Report is what Check has found.
type Report struct {
	// Records are counted by kind: transfers, completion groups, groups, tasks and
	// nodes.
	Records  map[string]int `json:"records"`
	Findings []Finding      `json:"findings"`
}

// Damaged tells that a finding is an error.
func (r Report) Damaged() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == SeverityError })
}

// Opener opens sealed secrets.
type Opener interface {
	Open(name string, sealed []byte) ([]byte, error)
}

// CheckConfig says what to check.
type CheckConfig struct {
	Records storage.RecordStore
	// Objects are the stores by scheme, "file" and "s3".
	Objects map[string]storage.PendingLister
	// Spool is where content to be sent is kept, and Places are where results go: URLs
	// that end in a slash. The buckets that records name are looked at besides.
	Spool  string
	Places []string
	// Sealer opens secrets; nil leaves them alone.
	Sealer Opener
	// Repair deletes what was left behind, Unclaimed also that of which no record
	// knows the destination: somebody else's, where others use the same places.
	Repair, Unclaimed bool
}

// checker is one Check under way.
type checker struct {
	CheckConfig
	report Report
	// buckets are named by records.
	buckets map[string]bool
	links   links
}

var kindNames = map[string]string{
	kindTransfer: "transfers", kindCompletion: "completionGroups", kindGroup: "groups", kindTask: "tasks", kindLease: "nodes",
}

// Check reads all records and looks for what transfers have left behind. Nodes may
// run meanwhile.
func Check(ctx context.Context, cfg CheckConfig) (Report, error) {
	if _, _, err := readCluster(ctx, cfg.Records); err != nil {
		return Report{}, err
	}
	c := &checker{CheckConfig: cfg, buckets: map[string]bool{}, links: newLinks()}
	c.report = Report{Records: map[string]int{}, Findings: []Finding{}}
	for _, name := range kindNames {
		c.report.Records[name] = 0
	}
	all := func(key string) bool { return placeOf(key).kind != kindProbe }
	err := eachRecord(ctx, cfg.Records, "", all, func(one stored) error {
		c.record(one)
		return nil
	})
	if err == nil {
		err = c.checkLinks(ctx)
	}
	if err == nil {
		err = c.leftovers(ctx)
	}
	return c.report, err
}

func (c *checker) find(severity Severity, subject, format string, args ...any) {
	c.report.Findings = append(c.report.Findings, Finding{Severity: severity, Subject: subject, Detail: fmt.Sprintf(format, args...)})
}

// record judges a record by itself and notes what it names.
func (c *checker) record(one stored) {
	at := placeOf(one.Key)
	if name := kindNames[at.kind]; name != "" {
		c.report.Records[name]++
	}
	if one.lost != nil {
		c.find(SeverityError, one.Key, "its bytes are lost: %s", one.lost)
		return
	}
	m, wrong := checkStored(one.Key, one.Body)
	switch {
	case wrong != nil && wrong.newer:
		c.find(SeverityWarning, one.Key, "%s", wrong.why)
		return
	case wrong != nil:
		c.find(SeverityError, one.Key, "%s", wrong.why)
		return
	case at.kind == kindUnknown:
		c.find(SeverityWarning, one.Key, "this version knows no such record")
		return
	}
	c.links.note(one.Key, m)
	if t, ok := m.(*recordpb.Transfer); ok {
		if object, isS3 := strings.CutPrefix(t.GetSpec().GetDestination(), "s3://"); isS3 && t.GetSpec().GetDirection() != string(transfer.Upload) {
			bucket, _, _ := strings.Cut(object, "/")
			c.buckets[bucket] = true
		}
	}
	c.checkSecret(one.Key, m)
}

// checkSecret opens what a record holds in secret.
func (c *checker) checkSecret(key string, m proto.Message) {
	s, holds := m.(interface{ GetSealed() []byte })
	if c.Sealer == nil || !holds || len(s.GetSealed()) == 0 {
		return
	}
	if _, err := c.Sealer.Open(key, s.GetSealed()); err != nil {
		c.find(SeverityError, key, "%s", err)
	}
}

// link is a record that another one needs.
type link struct{ from, to, why string }

// links are all keys of shards, and what needs which of them.
type links struct {
	there map[string]bool
	need  []link
}

func newLinks() links { return links{there: map[string]bool{}} }

func keyIn(kind, id string) string { return actors.ShardFolder(id) + kind + "/" + id }

func (l *links) note(key string, m proto.Message) {
	l.there[key] = true
	needs := func(kind, id, why string) {
		if id != "" {
			l.need = append(l.need, link{key, keyIn(kind, id), why})
		}
	}
	switch m := m.(type) {
	case *recordpb.Transfer:
		if ended := transfer.Phase(m.GetPhase()).Terminal(); !ended {
			needs(kindGroup, m.GetSpec().GetGroup(), "the group it belongs to")
			needs(kindCompletion, m.GetSpec().GetCompletionGroup(), "the completion group it belongs to")
		}
	case *recordpb.CompletionGroup:
		switch completion.Phase(m.GetPhase()) {
		case completion.PhaseEnabled:
			for _, id := range m.GetMembers() {
				needs(kindTransfer, id, "a member that it waits for")
			}
		case completion.PhaseTriggered:
			needs(kindTask, m.GetTask(), "its task")
		}
	}
}

// checkLinks reports what is missing, unless it has come meanwhile or is not needed
// any more.
func (c *checker) checkLinks(ctx context.Context) error {
	for _, need := range c.links.need {
		if c.links.there[need.to] {
			continue
		}
		still, err := c.stillMissing(ctx, need)
		if err != nil {
			return err
		}
		if still {
			c.find(SeverityError, need.from, "%s is missing: %s", need.why, need.to)
		}
	}
	return nil
}

func (c *checker) stillMissing(ctx context.Context, need link) (bool, error) {
	to, err := readOne(ctx, c.Records, need.to)
	if err != nil || to != nil {
		return false, err
	}
	from, err := readOne(ctx, c.Records, need.from)
	if err != nil || from == nil || from.lost != nil {
		return false, err
	}
	m, wrong := checkStored(need.from, from.Body)
	if wrong != nil {
		return false, nil
	}
	now := newLinks()
	now.note(need.from, m)
	return slices.Contains(now.need, need), nil
}

// minAge is how long nothing must have been done to what was left behind.
const minAge = 24 * time.Hour
