package state

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/storage/dir"
	"godwit/transfer"
)

// What transfers leave behind: uploads and partial files of which no record knows,
// and content to be sent that no transfer names. Everything here rests on this:
// a transfer is recorded before it begins an upload, and the upload soon after; so
// what no record names although nothing was done to it for a day is nobody's. The
// records are read after the stores were listed.

// claims are what records say of things in stores.
type claims struct {
	// uploads are those that records name, by claimKey; sources are URLs.
	uploads, sources map[string]bool
	// open are destinations of transfers that may still have an upload which is not
	// named yet, ended those of all others.
	open, ended map[string]bool
	// unread counts the records of transfers that nobody can read.
	unread int
}

// claimKey is an upload as records and stores both know it: partial files by their
// own name, which no two have in common whatever links lead to them, S3 uploads
// without the mark of those without checksums.
func claimKey(scheme, name, id string) string {
	if scheme == "file" {
		name = ""
	}
	if _, unmarked, marked := strings.Cut(id, ":"); marked && scheme == "s3" {
		id = unmarked
	}
	return scheme + "\x00" + name + "\x00" + id
}

// readClaims reads the records of all transfers.
func readClaims(ctx context.Context, records storage.RecordStore) (*claims, error) {
	c := &claims{uploads: map[string]bool{}, sources: map[string]bool{}, open: map[string]bool{}, ended: map[string]bool{}}
	transfers := func(key string) bool { return placeOf(key).kind == kindTransfer }
	return c, eachRecord(ctx, records, shardsPrefix, transfers, func(one stored) error {
		m, wrong := checkStored(one.Key, one.Body)
		if one.lost != nil || wrong != nil {
			c.unread++
			return nil
		}
		c.add(m.(*recordpb.Transfer))
		return nil
	})
}

func (c *claims) add(t *recordpb.Transfer) {
	if t.GetSpec().GetDirection() == string(transfer.Upload) {
		c.sources[t.GetSpec().GetShownSource()] = true
		return
	}
	destination := t.GetSpec().GetDestination()
	scheme, name, _ := strings.Cut(destination, "://")
	for _, up := range append(t.GetGarbage(), t.GetGeneration().GetUpload()) {
		if up.GetId() != "" {
			c.uploads[claimKey(scheme, up.GetName(), up.GetId())] = true
		}
	}
	phase := transfer.Phase(t.GetPhase())
	into := c.open
	// One that has failed may be retried, and then looks for what it may have begun.
	if phase.Terminal() && (phase != transfer.PhaseFailed || !t.GetMaybeBegun()) {
		into = c.ended
	}
	into[destination] = true
	if scheme == "file" {
		into[scheme+"://"+dir.CutName(name)] = true
		if folder, err := filepath.EvalSymlinks(filepath.Dir(name)); err == nil {
			into[scheme+"://"+dir.CutName(filepath.Join(folder, filepath.Base(name)))] = true
		}
	}
}

// verdict is what is known of an upload.
type verdict int

const (
	// wanted: a record names it, or may be about to.
	wanted verdict = iota
	// orphaned: its destination is one of ours, and whoever wrote there has ended.
	orphaned
	// unclaimed: no record knows the destination.
	unclaimed
)

func (c *claims) judge(scheme string, p storage.Pending) verdict {
	is := func(set map[string]bool) bool {
		return slices.ContainsFunc(p.Names, func(name string) bool { return set[scheme+"://"+name] })
	}
	switch {
	case c.uploads[claimKey(scheme, p.Upload.Name, p.Upload.ID)], is(c.open):
		return wanted
	case is(c.ended):
		return orphaned
	}
	return unclaimed
}

// suspect is something in a store that was left alone for long.
type suspect struct {
	scheme    string
	pending   *storage.Pending
	published *storage.Published
	// spooled: it lies where content to be sent is kept.
	spooled bool
}

func (s *suspect) url() string {
	if s.published != nil {
		return s.scheme + "://" + s.published.Name
	}
	if s.scheme == "file" {
		return s.scheme + "://" + filepath.Join(filepath.Dir(s.pending.Upload.Name), s.pending.Upload.ID)
	}
	return s.scheme + "://" + s.pending.Upload.Name + "?uploadId=" + s.pending.Upload.ID
}

func (s *suspect) size() int64 {
	if s.published != nil {
		return s.published.Size
	}
	return s.pending.Size
}

// leftovers lists what is old, reads the records once more, and reports or deletes
// what nobody wants.
func (c *checker) leftovers(ctx context.Context) error {
	suspects, err := c.suspects(ctx)
	if err != nil || len(suspects) == 0 {
		return err
	}
	claims, err := readClaims(ctx, c.Records)
	if err != nil {
		return err
	}
	if claims.unread > 0 && c.Repair {
		c.find(SeverityWarning, shardsPrefix, "nothing is deleted: %d records of transfers cannot be read, and nobody knows what they name", claims.unread)
	}
	for _, s := range suspects {
		why, deletable := c.explain(s, claims)
		if why == "" {
			continue
		}
		f := Finding{Severity: SeverityWarning, Subject: s.url(), Detail: why, Size: s.size()}
		if c.Repair && deletable && claims.unread == 0 {
			if f.Removed, err = c.remove(ctx, s); err != nil {
				f.Detail += "; it cannot be deleted: " + err.Error()
			}
		}
		c.report.Findings = append(c.report.Findings, f)
	}
	return nil
}

// explain says why nobody wants something, "" if somebody does, and whether it may
// be deleted.
func (c *checker) explain(s suspect, claims *claims) (why string, deletable bool) {
	switch {
	case s.published != nil && claims.sources[transfer.RedactURL(s.url())]:
		return "", false
	case s.published != nil:
		return "content to be sent that no transfer names", true
	case s.spooled:
		return "content to be sent that never became whole", true
	}
	switch claims.judge(s.scheme, *s.pending) {
	case orphaned:
		return "an upload that its transfer, which has ended, does not name", true
	case unclaimed:
		return "an upload of which no record knows the destination: perhaps somebody else's", c.Unclaimed
	}
	return "", false
}

// remove deletes something if it still was left alone.
func (c *checker) remove(ctx context.Context, s suspect) (bool, error) {
	store := c.Objects[s.scheme]
	if s.published != nil {
		info, err := store.Stat(ctx, s.published.Name)
		if errors.Is(err, storage.ErrNotFound) || err == nil && !info.ModTime.Equal(s.published.Changed) && info.ModTime.After(s.published.Changed.Add(time.Second)) {
			return false, nil
		}
		if err == nil {
			err = store.Delete(ctx, s.published.Name)
		}
		return err == nil, err
	}
	old, err := c.isOld(ctx, s.scheme, *s.pending)
	if err != nil || !old {
		return false, err
	}
	err = store.Abort(ctx, s.pending.Upload)
	return err == nil, err
}

// suspects lists all that is old. A place that cannot be looked into is reported.
func (c *checker) suspects(ctx context.Context) ([]suspect, error) {
	var out []suspect
	for _, place := range c.allPlaces() {
		found, err := c.suspectsIn(ctx, place)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			c.find(SeverityWarning, place, "cannot be looked into: %s", err)
		}
		out = append(out, found...)
	}
	return out, nil
}

func (c *checker) suspectsIn(ctx context.Context, place string) ([]suspect, error) {
	scheme, folder, _ := strings.Cut(place, "://")
	store := c.Objects[scheme]
	if store == nil {
		return nil, nil
	}
	now, err := store.Clock(ctx, folder)
	if err != nil {
		return nil, err
	}
	var out []suspect
	spooled := place == c.Spool
	if spooled {
		err = store.ListPublished(ctx, folder, func(p storage.Published) error {
			if now.Sub(p.Changed) >= minAge {
				out = append(out, suspect{scheme: scheme, published: &p, spooled: true})
			}
			return nil
		})
	}
	if err != nil {
		return out, err
	}
	return out, store.ListPending(ctx, folder, func(p storage.Pending) error {
		inSpool := c.Spool != "" && strings.HasPrefix(scheme+"://"+p.Upload.Name, c.Spool)
		if now.Sub(p.Changed) < minAge || inSpool != spooled {
			return nil
		}
		old, err := c.isOld(ctx, scheme, p)
		if old {
			out = append(out, suspect{scheme: scheme, pending: &p, spooled: spooled})
		}
		return err
	})
}

// isOld tells that nothing was done to an upload for long. One that is gone is not.
func (c *checker) isOld(ctx context.Context, scheme string, p storage.Pending) (bool, error) {
	store := c.Objects[scheme]
	now, err := store.Clock(ctx, p.Upload.Name)
	if err != nil {
		return false, err
	}
	touched, err := store.Touched(ctx, p.Upload)
	if errors.Is(err, storage.ErrNoUpload) {
		return false, nil
	}
	if touched.Before(p.Changed) {
		touched = p.Changed
	}
	if touched.IsZero() {
		return false, err // some servers do not say when an upload was begun
	}
	return now.Sub(touched) >= minAge, err
}

// allPlaces are those of the configuration and the buckets that records name, each
// once and none within another.
func (c *checker) allPlaces() []string {
	places := slices.Clone(c.Places)
	for bucket := range maps.Keys(c.buckets) {
		places = append(places, "s3://"+bucket+"/")
	}
	slices.Sort(places)
	var out []string
	for _, place := range places {
		if n := len(out); n == 0 || !strings.HasPrefix(place, out[n-1]) {
			out = append(out, place)
		}
	}
	if c.Spool != "" && !slices.Contains(out, c.Spool) {
		out = append(out, c.Spool)
	}
	return out
}
