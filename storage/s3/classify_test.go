package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"pgregory.net/rapid"

	"godwit/storage"
)

func TestClassify(t *testing.T) {
	for _, test := range []struct {
		n    nature
		r    reply
		want storage.Kind
	}{
		{create, reply{412, "PreconditionFailed", true}, storage.ErrExists},
		{swap, reply{412, "PreconditionFailed", true}, storage.ErrMismatch},
		{swap, reply{404, "NoSuchKey", true}, storage.ErrNotFound},
		{read, reply{404, "NoSuchKey", true}, storage.ErrNotFound},
		{create, reply{409, "ConditionalRequestConflict", true}, storage.ErrConflict},
		{swap, reply{409, "Conflict", true}, storage.ErrConflict},
		{write, reply{409, "ObjectParentIsFile", true}, storage.ErrInvalid},
		{create, reply{503, "SlowDown", true}, storage.ErrUnavailable},
		{create, reply{429, "429 Too Many Requests", true}, storage.ErrUnavailable},
		{create, reply{503, "503 Service Unavailable", true}, storage.ErrUnknown},
		{create, reply{503, "SlowDownWrite", true}, storage.ErrUnknown},
		{swap, reply{500, "InternalError", true}, storage.ErrUnknown},
		{swap, reply{502, "502 Bad Gateway", true}, storage.ErrUnknown},
		{swap, reply{504, "504 Gateway Timeout", true}, storage.ErrUnknown},
		{swap, reply{408, "RequestTimeout", true}, storage.ErrUnknown},
		{swap, reply{499, "499", true}, storage.ErrUnknown},
		{write, reply{200, "InternalError", true}, storage.ErrUnknown},
		{write, reply{200, "200 OK", true}, storage.ErrUnknown},
		{swap, reply{sent: true}, storage.ErrUnknown},
		{swap, reply{sent: false}, storage.ErrUnavailable},
		{read, reply{sent: true}, storage.ErrUnavailable},
		{read, reply{500, "InternalError", true}, storage.ErrUnavailable},
		{read, reply{403, "AccessDenied", true}, storage.ErrDenied},
		{write, reply{401, "", true}, storage.ErrDenied},
		{write, reply{403, "RequestTimeTooSkewed", true}, storage.ErrDenied},
		{write, reply{400, "ExpiredToken", true}, storage.ErrDenied},
		{write, reply{400, "KMS.DisabledException", true}, storage.ErrDenied},
		{write, reply{400, "KMS.NotFoundException", true}, storage.ErrDenied},
		{write, reply{507, "XMinioStorageFull", true}, storage.ErrFull},
		{write, reply{507, "", true}, storage.ErrFull},
		{write, reply{404, "NoSuchUpload", true}, storage.ErrNoUpload},
		{write, reply{400, "InvalidPart", true}, storage.ErrPartLost},
		{write, reply{200, "InvalidPart", true}, storage.ErrPartLost},
		{write, reply{400, "BadDigest", true}, storage.ErrCorrupt},
		{write, reply{400, "EntityTooSmall", true}, storage.ErrPartLost},
		{write, reply{400, "KeyTooLongError", true}, storage.ErrInvalid},
		{create, reply{501, "NotImplemented", true}, storage.ErrUnsupported},
	} {
		if got := classify(test.n, test.r); got != test.want {
			t.Errorf("nature %d, %+v: got %q, want %q", test.n, test.r, got, test.want)
		}
	}
}

// No answer that leaves doubt about a write is ever called definite, and what
// never left is never called unknown.
func TestClassifyDoubt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]nature{write, create, swap}).Draw(t, "nature")
		r := reply{
			status: rapid.SampledFrom([]int{0, 200, 408, 499, 500, 502, 503, 504, 520, 599}).Draw(t, "status"),
			code:   rapid.StringMatching(`[A-Z][a-z]{3,12}`).Draw(t, "code"),
			sent:   rapid.Bool().Draw(t, "sent"),
		}
		want := storage.ErrUnavailable
		if r.sent {
			want = storage.ErrUnknown
		}
		if got := classify(n, r); got != want {
			t.Fatalf("%+v: got %q, want %q", r, got, want)
		}
	})
}

func TestFailSaysNothingSecret(t *testing.T) {
	_, trip := newTrip(context.Background())
	secret := "X-Amz-Signature=canary"
	for _, err := range []error{
		&url.Error{Op: "Put", URL: "http://user:canary@host/b/k?" + secret, Err: errors.New("broken pipe")},
		minio.ErrorResponse{StatusCode: 403, Code: "SignatureDoesNotMatch", Message: "StringToSign canary"},
		minio.ErrorResponse{StatusCode: 500, Code: "500\n" + strings.Repeat("x", 500), RequestID: "id\x1b[31m"},
	} {
		text := trip.fail("put", "b/k", write, err).Error()
		if strings.Contains(text, "canary") || strings.ContainsAny(text, "\n\x1b") || len(text) > 300 {
			t.Errorf("error says %q", text)
		}
	}
}

func TestClockSkewIsNamed(t *testing.T) {
	_, trip := newTrip(context.Background())
	err := trip.fail("put", "k", write, minio.ErrorResponse{StatusCode: 403, Code: codeClockSkew})
	if !errors.Is(err, storage.ErrDenied) || !strings.Contains(err.Error(), "clock") {
		t.Errorf("got %v", err)
	}
}

func TestKeysArePlaceholders(t *testing.T) {
	cfg := Config{Keys: Keys{ID: "canary", Secret: "canary", Session: "canary"}}
	for _, text := range []string{
		fmt.Sprint(cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg.Keys), cfg.Keys.LogValue().String(),
	} {
		if strings.Contains(text, "canary") {
			t.Errorf("prints %q", text)
		}
	}
}

func TestVerdict(t *testing.T) {
	opts := storage.CompleteOptions{Token: "ours", Size: 10, CRC64: 7}
	ours := storage.ObjectInfo{Token: "ours", Size: 10, CRC64: 7, HasCRC64: true}
	other := storage.ObjectInfo{Token: "theirs", Size: 10}
	kind := func(k storage.Kind) error { return &storage.Error{Op: "x", Kind: k} }
	absent := kind(storage.ErrNotFound)
	for name, test := range map[string]struct {
		err     error
		info    storage.ObjectInfo
		statErr error
		want    storage.Kind
	}{
		"done":                        {nil, ours, nil, ""},
		"done, nobody can look":       {nil, storage.ObjectInfo{}, kind(storage.ErrUnavailable), storage.ErrUnknown},
		"done, not there yet":         {nil, storage.ObjectInfo{}, absent, storage.ErrUnknown},
		"done, but another's":         {nil, other, nil, storage.ErrNoUpload},
		"reply lost, ours":            {kind(storage.ErrUnknown), ours, nil, ""},
		"reply lost, nothing":         {kind(storage.ErrUnknown), storage.ObjectInfo{}, absent, storage.ErrUnknown},
		"reply lost, another's":       {kind(storage.ErrUnknown), other, nil, storage.ErrUnknown},
		"412, ours":                   {kind(storage.ErrExists), ours, nil, ""},
		"412, another's":              {kind(storage.ErrExists), other, nil, storage.ErrExists},
		"412, gone again":             {kind(storage.ErrExists), storage.ObjectInfo{}, absent, storage.ErrConflict},
		"412, nobody can look":        {kind(storage.ErrExists), storage.ObjectInfo{}, kind(storage.ErrUnavailable), storage.ErrUnknown},
		"no upload, ours":             {kind(storage.ErrNoUpload), ours, nil, ""},
		"no upload, nothing":          {kind(storage.ErrNoUpload), storage.ObjectInfo{}, absent, storage.ErrNoUpload},
		"no upload, another's":        {kind(storage.ErrNoUpload), other, nil, storage.ErrNoUpload},
		"409, nothing":                {kind(storage.ErrConflict), storage.ObjectInfo{}, absent, storage.ErrConflict},
		"ours, but of another size":   {nil, storage.ObjectInfo{Token: "ours", Size: 9}, nil, storage.ErrCorrupt},
		"ours, but of other content":  {nil, storage.ObjectInfo{Token: "ours", Size: 10, CRC64: 8, HasCRC64: true}, nil, storage.ErrCorrupt},
		"ours, checksum not known":    {nil, storage.ObjectInfo{Token: "ours", Size: 10}, nil, ""},
		"reply lost, ours, corrupted": {kind(storage.ErrUnknown), storage.ObjectInfo{Token: "ours", Size: 1}, nil, storage.ErrCorrupt},
	} {
		if got, _ := verdict(opts, test.err, test.info, test.statErr); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// Parts of any plan of equal parts are placed where that plan has them,
// whichever are missing, as soon as two are there.
func TestPlaceEqualParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 1<<30).Draw(t, "size")
		count := rapid.IntRange(2, 50).Draw(t, "count")
		last := rapid.Int64Range(1, size).Draw(t, "last")
		var all, listed []storage.Part
		for n := 1; n <= count; n++ {
			p := storage.Part{Number: n, Size: size}
			if n == count {
				p.Size = last
			}
			if rapid.Bool().Draw(t, "there") {
				listed = append(listed, p)
				p.Offset = int64(n-1) * size
				all = append(all, p)
			}
		}
		placed := place(listed, 0)
		if len(all) >= 2 && len(placed) != len(all) {
			t.Fatalf("placed %d of %d", len(placed), len(all))
		}
		for i, p := range placed {
			if len(all) >= 2 && p != all[i] {
				t.Fatalf("placed %+v, want %+v", p, all[i])
			}
		}
	})
}

// Where sizes grow, the contiguous beginning is placed right and nothing else
// is made up.
func TestPlaceGrowingParts(t *testing.T) {
	parts := []storage.Part{{Number: 1, Size: 5}, {Number: 2, Size: 5}, {Number: 3, Size: 10}, {Number: 5, Size: 10}}
	placed := place(parts, 0)
	if len(placed) != 3 || placed[2].Offset != 10 {
		t.Errorf("placed %+v", placed)
	}
	if placed := place([]storage.Part{{Number: 4, Size: 3}}, 0); len(placed) != 0 {
		t.Errorf("placed %+v without knowing any other part", placed)
	}
	if placed := place([]storage.Part{{Number: 4, Size: 3}}, 8); len(placed) != 1 || placed[0].Offset != 24 {
		t.Errorf("placed %+v in a known layout", placed)
	}
}

func TestLayouts(t *testing.T) {
	var l layouts
	l.learn("u", 1, 0, 3)
	if l.get("u") != 0 {
		t.Error("the first part alone proves a layout")
	}
	l.learn("u", 3, 20, 4)
	if l.get("u") != 10 {
		t.Errorf("learnt %d", l.get("u"))
	}
	l.learn("u", 4, 35, 4)
	if l.get("u") != unequal {
		t.Errorf("learnt %d from parts that differ", l.get("u"))
	}
	l.forget("u")
	if l.get("u") != 0 {
		t.Error("remembers what it forgot")
	}
	for i := range maxLayouts + 10 {
		l.learn(fmt.Sprint(i), 2, 5, 5)
	}
	if len(l.size) > maxLayouts {
		t.Errorf("remembers %d uploads", len(l.size))
	}
}

func TestCRCText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		crc := rapid.Uint64().Draw(t, "crc")
		if got, ok := decodeCRC(encodeCRC(crc)); !ok || got != crc {
			t.Fatalf("%x became %x", crc, got)
		}
	})
	for _, bad := range []string{"", "AAAA", "AAAAAAAAAAA=-3", "not base64"} {
		if _, ok := decodeCRC(bad); ok {
			t.Errorf("%q is read as a checksum", bad)
		}
	}
}
