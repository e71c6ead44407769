package actors_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/storage"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// form makes a form of the source between two texts.
func form(s *transfer.Spec) {
	s.Source, s.Method = "", "POST"
	s.Outgoing.IdempotencyKey = "k"
	s.Outgoing.Form = transfer.Form{Subtype: "form-data", Parts: []transfer.FormPart{
		{Name: "title", Text: "A title"},
		{Name: "file", FileName: "a.bin", Source: sourceAt, Headers: []transfer.Header{{Name: "Content-Type", Value: "application/x-test"}}},
		{Name: "end", Text: "over"},
	}}
}

// TestUploadCreate refuses at once what cannot be sent.
func TestUploadCreate(t *testing.T) {
	inUpload(t, transfer.ProtocolPut, 2, func(b *bubble, _ *actorstest.Far) {
		b.hook = func(c storagetest.Call) storagetest.Fault {
			if c.Name == "/sources/folder" {
				return storagetest.Fault{Kind: storage.ErrInvalid}
			}
			return storagetest.Fault{}
		}
		size := int64(len(b.objects.Result("/sources/a")))
		sys := b.node()
		for name, test := range map[string]struct {
			change func(*transfer.Spec)
			code   transfer.Code
			field  string
		}{
			"missing":  {func(s *transfer.Spec) { s.Source = "file:///sources/b" }, transfer.CodeSourceMissing, "source"},
			"folder":   {func(s *transfer.Spec) { s.Source = "file:///sources/folder" }, transfer.CodeStoreInvalid, "source"},
			"no store": {func(s *transfer.Spec) { s.Source = "s3://bucket/a" }, transfer.CodeURLScheme, "source"},
			"missing in a form": {func(s *transfer.Spec) {
				form(s)
				s.Outgoing.Form.Parts[1].Source = "file:///sources/b"
			}, transfer.CodeSourceMissing, "form.parts"},
			"too long":    {func(s *transfer.Spec) { s.Size = size - 1 }, transfer.CodeSizeExceeded, "size"},
			"too short":   {func(s *transfer.Spec) { s.Size = size + 1 }, transfer.CodeSizeShort, "size"},
			"not spooled": {func(s *transfer.Spec) { s.Outgoing.Spooled = true }, transfer.CodePathDenied, "upload.spooled"},
			"below spool": {func(s *transfer.Spec) { s.Outgoing.Spooled, s.Source = true, "file:///spool/x/y" }, transfer.CodePathDenied, "upload.spooled"},
			"too few URLs": {func(s *transfer.Spec) {
				presigned(s)
				s.Outgoing.Presigned.PartURLs = []string{"https://far.example/1"}
			}, transfer.CodePresigned, "upload.presigned"},
		} {
			_, _, err := sys.Create(b.Context(), outgoing("a", test.change), true)
			var e *transfer.Error
			if !errors.As(err, &e) || e.Code != test.code || e.Field != test.field {
				b.Errorf("%s: %v, field %q", name, err, e.Field)
			}
		}
		_, _, err := sys.Create(b.Context(), outgoing("a", func(s *transfer.Spec) { s.Size = size }), false)
		if err != nil {
			b.Error(err)
		}
	})
}

// TestUploadCreatedTwice finds the first one again, although its source is gone,
// and refuses another wish.
func TestUploadCreatedTwice(t *testing.T) {
	for name, change := range map[string]func(*transfer.Spec){"source": func(*transfer.Spec) {}, "form": form} {
		t.Run(name, func(t *testing.T) {
			inUpload(t, transfer.ProtocolPost, 2, func(b *bubble, _ *actorstest.Far) {
				sys := b.node()
				first := b.create(sys, outgoing("a", change), false)
				b.objects.Unpublish("/sources/a")
				again, created, err := sys.Create(b.Context(), outgoing("a", change), false)
				if err != nil || created || again.State.Spec.Outgoing.Form.Boundary != first.State.Spec.Outgoing.Form.Boundary {
					b.Errorf("created %v, %v", created, err)
				}
				_, _, err = sys.Create(b.Context(), outgoing("a", change, func(s *transfer.Spec) { s.RateLimit = 5000 }), false)
				b.code(err, transfer.CodeIDConflict)
				_, _, err = sys.Create(b.Context(), outgoing("b", change), false)
				b.code(err, transfer.CodeSourceMissing)
			})
		})
	}
}

// TestFormIsTheSameEachTime sends a form over lost replies and a death of the
// node: byte for byte the same.
func TestFormIsTheSameEachTime(t *testing.T) {
	inUpload(t, transfer.ProtocolPost, 2, func(b *bubble, far *actorstest.Far) {
		var sizes []int64
		far.Script = func(c actorstest.FarCall) actorstest.FarFault {
			if c.Op == actorstest.FarSend {
				sizes = append(sizes, c.Size)
			}
			return actorstest.FarFault{LostReply: c.Op == actorstest.FarSend && len(sizes) < 4}
		}
		sys := b.node()
		// Without a key at the far side each repetition arrives.
		spec := outgoing("a", form, func(s *transfer.Spec) { s.Outgoing.IdempotencyKey, s.Outgoing.RepeatUnsafe = "", true })
		b.create(sys, spec, true)
		settle(time.Second)
		sys.Abandon()
		sys = b.node()
		snap := b.await(sys, "a")
		arrived := far.Arrived(farURL)
		if snap.State.Phase != transfer.PhaseCompleted || len(arrived) != 4 || !snap.State.MaybeDuplicate {
			b.Fatalf("%s after %d, duplicate %v", snap.State.Phase, len(arrived), snap.State.MaybeDuplicate)
		}
		for _, got := range arrived {
			if !bytes.Equal(got, arrived[0]) || !bytes.Contains(got, b.objects.Result("/sources/a")) {
				b.Error("another form arrived")
			}
		}
		boundary := snap.State.Spec.Outgoing.Form.Boundary
		if len(boundary) < 26 || strings.Count(string(arrived[0]), "--"+boundary) != 4 {
			b.Errorf("the boundary is %q", boundary)
		}
	})
}

// TestSpool keeps content until it was sent.
func TestSpool(t *testing.T) {
	for _, size := range []int{0, 1, partSize, 5*partSize + 3} {
		inUpload(t, transfer.ProtocolPut, 2, func(b *bubble, far *actorstest.Far) {
			b.config = withRetention(b.config)
			sys := b.node()
			content := bytes.Repeat([]byte("x"), size)
			url, n, err := sys.Spool(b.Context(), iotest.HalfReader(bytes.NewReader(content)))
			if err != nil || n != int64(size) || !strings.HasPrefix(url, "file:///spool/") {
				b.Fatalf("%s, %d bytes, %v", url, n, err)
			}
			name := strings.TrimPrefix(url, "file://")
			b.create(sys, outgoing("a", func(s *transfer.Spec) { s.Source, s.Outgoing.Spooled = url, true }), true)
			b.create(sys, outgoing("b", putAs("b")), true)
			if snap := b.await(sys, "a"); snap.State.Phase != transfer.PhaseCompleted || !bytes.Equal(far.Arrived(farURL)[0], content) {
				b.Errorf("%d bytes: %s, %v", size, snap.State.Phase, snap.State.Err)
			}
			b.await(sys, "b")
			settle(time.Second)
			if _, err := b.objects.Stat(b.Context(), name); storage.KindOf(err) != storage.ErrNotFound {
				b.Errorf("the source is left: %v", err)
			}
			if b.objects.Result("/sources/a") == nil {
				b.Error("a source that was not spooled was removed")
			}
		})
	}
}

// TestSpoolKeepsWhatHasFailed until the transfer is deleted: it may be retried.
func TestSpoolKeepsWhatHasFailed(t *testing.T) {
	inUpload(t, transfer.ProtocolPut, 1, func(b *bubble, _ *actorstest.Far) {
		b.config = withRetention(b.config)
		sys := b.node()
		url, _, err := sys.Spool(b.Context(), strings.NewReader("content"))
		if err != nil {
			b.Fatal(err)
		}
		b.create(sys, outgoing("a", func(s *transfer.Spec) {
			s.Source, s.Outgoing.Spooled, s.SHA256 = url, true, strings.Repeat("0", 64)
		}), true)
		b.await(sys, "a")
		b.want(sys, "a", transfer.PhaseFailed)
		settle(time.Minute)
		if _, err := b.objects.Stat(b.Context(), strings.TrimPrefix(url, "file://")); err != nil {
			b.Errorf("the source is gone before its transfer: %v", err)
		}
		settle(2 * time.Hour)
		_, err = sys.Get(b.Context(), "a")
		b.code(err, transfer.CodeNotFound)
		if left := b.objects.Published("/spool/"); len(left) > 0 {
			b.Errorf("left behind: %v", left)
		}
	})
}

func withRetention(config func(*actors.Config)) func(*actors.Config) {
	return func(c *actors.Config) {
		config(c)
		c.Retention = time.Hour
	}
}

// TestSpoolFails leaves nothing behind.
func TestSpoolFails(t *testing.T) {
	inUpload(t, transfer.ProtocolPut, 2, func(b *bubble, _ *actorstest.Far) {
		broken := io.MultiReader(strings.NewReader("begun"), iotest.ErrReader(errors.New("the client has gone")))
		sys := b.node()
		_, _, err := sys.Spool(b.Context(), broken)
		b.code(err, transfer.CodeReset)
		sys.Abandon()
		b.hook = storagetest.FailOps(storagetest.LostReply(), storagetest.OpComplete)
		sys = b.node()
		_, _, err = sys.Spool(b.Context(), strings.NewReader("whole"))
		b.code(err, transfer.CodeStoreUnavailable)
		if left := append(b.objects.Uploads(), b.objects.Published("/spool/")...); len(left) > 0 {
			b.Errorf("left behind: %v", left)
		}
		sys.Abandon()
		b.config = nil
		sys = b.node()
		_, _, err = sys.Spool(b.Context(), strings.NewReader("x"))
		b.code(err, transfer.CodeField)
	})
}

// TestSpooledSourceIsRemoved although the store is away for a while, over a death
// of the node, before the record goes.
func TestSpooledSourceIsRemoved(t *testing.T) {
	inUpload(t, transfer.ProtocolPut, 2, func(b *bubble, _ *actorstest.Far) {
		away := true
		b.hook = func(c storagetest.Call) storagetest.Fault {
			if away && c.Op == storagetest.OpRemove {
				return storagetest.Refused()
			}
			return storagetest.Fault{}
		}
		sys := b.node()
		url, _, err := sys.Spool(b.Context(), strings.NewReader("content"))
		if err != nil {
			b.Fatal(err)
		}
		b.create(sys, outgoing("a", func(s *transfer.Spec) { s.Source, s.Outgoing.Spooled = url, true }), true)
		b.await(sys, "a")
		go func() { _, _ = sys.Command(b.Context(), "a", transfer.Purge{}, "") }()
		settle(time.Minute)
		b.want(sys, "a", transfer.PhaseCompleted)
		sys.Abandon()
		settle(time.Second)
		away = false
		sys = b.node()
		settle(time.Minute)
		b.gone(sys, "a")
		if left := b.objects.Published("/spool/"); len(left) > 0 {
			b.Errorf("left behind: %v", left)
		}
	})
}
