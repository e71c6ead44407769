package endpoint

import (
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"godwit/transfer"
)

// part is a request for bytes 10-19 of 100 and the answer that suits it.
func part() (Request, answer) {
	v := transfer.Validator{ETag: `"a"`, LastModified: "Mon, 01 Jan 2024 00:00:00 GMT"}
	req := Request{Offset: 10, Length: 10, Size: 100, Validator: v}
	h := http.Header{"Etag": {v.ETag}, "Last-Modified": {v.LastModified}, "Content-Range": {"bytes 10-19/100"}}
	return req, answer{status: 206, header: h, length: 10, ranged: true, now: time.Now()}
}

func TestJudgingParts(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Request, *answer)
		want   transfer.Code
	}{
		"right":        {func(*Request, *answer) {}, ""},
		"fewer":        {func(_ *Request, a *answer) { a.header.Set("Content-Range", "bytes 10-12/100"); a.length = 3 }, ""},
		"more":         {func(_ *Request, a *answer) { a.header.Set("Content-Range", "bytes 10-20/100"); a.length = 11 }, transfer.CodeRange},
		"earlier":      {func(_ *Request, a *answer) { a.header.Set("Content-Range", "bytes 9-18/100") }, transfer.CodeRange},
		"later":        {func(_ *Request, a *answer) { a.header.Set("Content-Range", "bytes 11-20/100") }, transfer.CodeRange},
		"other length": {func(_ *Request, a *answer) { a.length = 9 }, transfer.CodeRange},
		"no length":    {func(_ *Request, a *answer) { a.length = -1 }, ""},
		"tag lost":     {func(_ *Request, a *answer) { a.header.Del("Etag") }, transfer.CodeSourceChanged},
		"tag weak now": {func(_ *Request, a *answer) { a.header.Set("Etag", `W/"a"`) }, ""},
		"other tag":    {func(_ *Request, a *answer) { a.header.Set("Etag", `"b"`) }, transfer.CodeSourceChanged},
		"other date":   {func(_ *Request, a *answer) { a.header.Set("Last-Modified", "Mon, 01 Jan 2024 00:00:01 GMT") }, ""},
		"date lost":    {func(r *Request, a *answer) { r.Validator.ETag = ""; a.header.Del("Last-Modified") }, transfer.CodeSourceChanged},
		"date only, other": {func(r *Request, a *answer) {
			r.Validator.ETag = ""
			a.header.Set("Last-Modified", "Mon, 01 Jan 2024 00:00:01 GMT")
		}, transfer.CodeSourceChanged},
		"weak, other date": {func(r *Request, a *answer) {
			r.Validator.ETag = `W/"a"`
			a.header.Set("Last-Modified", "Mon, 01 Jan 2024 00:00:01 GMT")
		}, transfer.CodeSourceChanged},
		"first, any tag": {func(r *Request, _ *answer) { r.Validator = transfer.Validator{} }, ""},
		"other total":    {func(_ *Request, a *answer) { a.header.Set("Content-Range", "bytes 10-19/101") }, transfer.CodeRange},
		"unproven, total": {func(r *Request, a *answer) {
			r.Validator = transfer.Validator{}
			a.header.Set("Content-Range", "bytes 10-19/101")
		}, transfer.CodeSourceChanged},
		"total unknown":     {func(_ *Request, a *answer) { a.header.Set("Content-Range", "bytes 10-19/*") }, ""},
		"multipart":         {func(_ *Request, a *answer) { a.header.Set("Content-Type", "Multipart/ByteRanges; boundary=x") }, transfer.CodeRange},
		"not asked for":     {func(_ *Request, a *answer) { a.ranged = false }, transfer.CodeRange},
		"encoded":           {func(_ *Request, a *answer) { a.header.Set("Content-Encoding", "zstd") }, transfer.CodeEncoding},
		"encoded, in error": {func(_ *Request, a *answer) { a.header.Set("Content-Encoding", "gzip"); a.status = 404 }, transfer.CodeStatus},
	} {
		req, a := part()
		tc.change(&req, &a)
		r, e := judge(req, a)
		if (e == nil) != (tc.want == "") || e != nil && e.Code != tc.want {
			t.Errorf("%s: %v, want %q", name, e, tc.want)
		}
		if e == nil && (r.Offset != 10 || r.Size != 100 || !r.Ranges || r.Length < 1 || r.Length > 10) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// Whatever a far side answers, what is accepted lies inside of what was asked
// for, or is the whole from byte 0.
func TestAcceptedAnswersFitTheRequest(t *testing.T) {
	number := rapid.Custom(func(t *rapid.T) int64 { return rapid.Int64Range(0, 20).Draw(t, "n") })
	rapid.Check(t, func(t *rapid.T) {
		req, a := part()
		req.Offset = number.Draw(t, "offset")
		req.Length = rapid.SampledFrom([]int64{-1, 1, 5, 20}).Draw(t, "length")
		req.Size = rapid.SampledFrom([]int64{-1, 10, 20}).Draw(t, "size")
		a.status = rapid.SampledFrom([]int{200, 206}).Draw(t, "status")
		a.length = rapid.SampledFrom([]int64{-1, 1, 5, 10, 20}).Draw(t, "body")
		a.header.Set("Content-Range", rapid.StringMatching(`bytes (1?[0-9]-1?[0-9]|\*)/(20|10|\*)`).Draw(t, "range"))
		r, e := judge(req, a)
		if e != nil {
			return
		}
		switch {
		case a.status == 200:
			if r.Offset != 0 || r.Length != a.length {
				t.Fatalf("%+v", r)
			}
		case r.Offset != req.Offset || r.Length <= 0 || req.Length > 0 && r.Length > req.Length ||
			req.Size >= 0 && r.Size != req.Size || r.Size >= 0 && r.Offset+r.Length > r.Size:
			t.Fatalf("%+v for %+v", r, req)
		}
	})
}
