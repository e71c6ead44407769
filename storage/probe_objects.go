package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"

	"github.com/minio/crc64nvme"
)

// ProbeObjects tests whether objects can be built, are published whole and
// once, and go away again. It uses the given name, which must be free, and
// removes the object.
func ProbeObjects(ctx context.Context, os ObjectStore, name string) Report {
	p := &objectProbe{store: os, name: name}
	defer p.cleanup(ctx)
	var report Report
	for _, check := range []struct {
		name string
		run  func(context.Context) finding
	}{
		{"publish", p.publish},
		{"publish again", p.publishAgain},
		{"keep what is there", p.keep},
		{"damaged part", p.damaged},
		{"abort", p.abort},
	} {
		f := check.run(ctx)
		report.add(check.name, f)
		if f.outcome == ProbeUnknown {
			break
		}
	}
	return report.judge()
}

// objectProbe is one run of the object checks.
type objectProbe struct {
	store ObjectStore
	name  string
	// published is what publish built.
	published built
	uploads   []Upload
}

// built is one upload of a single small part.
type built struct {
	up    Upload
	parts []Part
	opts  CompleteOptions
}

// build begins an object and stores its only part.
func (p *objectProbe) build(ctx context.Context) (built, error) {
	body := []byte("probe " + rand.Text())
	b := built{opts: CompleteOptions{Token: "probe-" + rand.Text(), Size: int64(len(body)), CRC64: crc64nvme.Checksum(body)}}
	var err error
	b.up, err = p.store.Begin(ctx, p.name, BeginOptions{Token: b.opts.Token, Size: b.opts.Size})
	if err != nil {
		return b, err
	}
	p.uploads = append(p.uploads, b.up)
	w, err := p.store.OpenPart(ctx, b.up, 1, 0, b.opts.Size)
	if err != nil {
		return b, err
	}
	defer w.Discard()
	if _, err := w.ReadFrom(bytes.NewReader(body)); err != nil {
		return b, err
	}
	part, err := w.Commit(ctx)
	b.parts = []Part{part}
	return b, err
}

func (p *objectProbe) publish(ctx context.Context) finding {
	b, err := p.build(ctx)
	if err != nil {
		return unasked(err)
	}
	if _, err := p.store.Stat(ctx, p.name); !errors.Is(err, ErrNotFound) {
		return failed("something is visible before it is complete")
	}
	if _, err := p.store.Complete(ctx, b.up, b.parts, b.opts); err != nil {
		return unasked(err)
	}
	p.published = b
	info, err := p.store.Stat(ctx, p.name)
	switch {
	case err != nil:
		return unasked(err)
	case info.Size != b.opts.Size || (info.HasCRC64 && info.CRC64 != b.opts.CRC64):
		return failed("what was published is not what was sent")
	case info.Token != b.opts.Token:
		return failed("the store does not keep the token that tells whose object it is")
	case !info.HasCRC64:
		return warned("the store keeps no checksum")
	}
	return passed("published whole")
}

func (p *objectProbe) publishAgain(ctx context.Context) finding {
	b := p.published
	if _, err := p.store.Complete(ctx, b.up, b.parts, b.opts); err != nil {
		return failed("completing a second time: %v", err)
	}
	return passed("completing a second time changes nothing")
}

func (p *objectProbe) keep(ctx context.Context) finding {
	b, err := p.build(ctx)
	if err != nil {
		return unasked(err)
	}
	_, err = p.store.Complete(ctx, b.up, b.parts, b.opts)
	if f, ok := refused(err, ErrExists); !ok {
		return f
	}
	return passed("an object that exists was not replaced")
}

func (p *objectProbe) damaged(ctx context.Context) finding {
	b, err := p.build(ctx)
	if err != nil {
		return unasked(err)
	}
	b.parts[0].ETag = "0123456789abcdef0123456789abcdef"
	b.opts.Replace = true
	_, err = p.store.Complete(ctx, b.up, b.parts, b.opts)
	if f, ok := refused(err, ErrPartLost, ErrInvalid); !ok {
		return f
	}
	return passed("a part that is not the recorded one was refused")
}

func (p *objectProbe) abort(ctx context.Context) finding {
	for _, up := range p.uploads {
		for range 2 {
			if err := p.store.Abort(ctx, up); err != nil {
				return unasked(err)
			}
		}
	}
	last := p.uploads[len(p.uploads)-1]
	if _, err := p.store.ListParts(ctx, last); !errors.Is(err, ErrNoUpload) {
		return failed("an aborted upload still has parts")
	}
	return passed("aborted uploads are gone")
}

func (p *objectProbe) cleanup(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	for _, up := range p.uploads {
		_ = p.store.Abort(ctx, up)
	}
	if p.published.up.Name != "" {
		_ = p.store.Delete(ctx, p.name)
	}
}
