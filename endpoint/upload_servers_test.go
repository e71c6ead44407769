package endpoint

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"godwit/transfer"
)

func TestNginxTakesWhole(t *testing.T) {
	base, files := startNginx(t)
	c := newClient(t, nil)
	for _, size := range []int64{0, 1, 100_000, 20 << 20} {
		for _, expect := range []bool{false, true} {
			name := strconv.FormatInt(size, 10) + strconv.FormatBool(expect)
			d, s := upload(transfer.ProtocolPut, base+"/"+name, size)
			d.Outgoing.Expect = expect
			if _, f := send(t, c, d, s, 0, &noted{}); f != nil {
				t.Fatalf("%d: %+v", size, f)
			}
			verify(t, filepath.Join(files, name), s.content)
		}
	}
}

// What did not come whole is not there.
func TestNginxTakesNothingOfWhatBreaks(t *testing.T) {
	base, files := startNginx(t)
	d, s := upload(transfer.ProtocolPut, base+"/f", 20<<20)
	s.failAt, s.err = 10<<20, transfer.Errorf(transfer.CodeSourceChanged, "it is another")
	if _, f := send(t, newClient(t, nil), d, s, 0, &noted{}); failureCode(f) != transfer.CodeSourceChanged || !f.Unknown {
		t.Errorf("%+v", f)
	}
	if _, err := os.Stat(filepath.Join(files, "f")); !os.IsNotExist(err) {
		t.Errorf("it is there: %v", err)
	}
	s.err = nil
	if _, f := send(t, newClient(t, nil), d, s, 0, &noted{}); f != nil {
		t.Errorf("%+v", f)
	}
	verify(t, filepath.Join(files, "f"), s.content)
}

func TestNginxRefuses(t *testing.T) {
	base, _ := startNginx(t)
	c := newClient(t, nil)
	for _, expect := range []bool{false, true} {
		for range 10 {
			d, s := upload(transfer.ProtocolPut, base+"/small/f", 4<<30)
			d.Outgoing.Expect = expect
			_, f := send(t, c, d, s, 0, &noted{})
			if failureCode(f) != transfer.CodeUploadTooLarge || f.Unknown || s.read.Load() > 1<<30 {
				t.Fatalf("%+v", f)
			}
		}
	}
	d, s := upload(transfer.ProtocolPost, base+"/early", 4<<30)
	if _, f := send(t, c, d, s, 0, &noted{}); failureCode(f) != transfer.CodeUploadIncomplete {
		t.Errorf("%+v", f)
	}
	d, s = upload(transfer.ProtocolRange, base+"/ranges", 1000)
	if _, f := send(t, c, d, s, 0, &noted{}); failureCode(f) != transfer.CodeUploadProtocol || f.Err.Status != 501 {
		t.Errorf("%+v", f)
	}
}

// s3Part is the least size of an S3 part but the last, in bytes.
const s3Part = 5 << 20

// presignS3 begins an upload of key and signs all that it needs.
func presignS3(t *testing.T, s s3Signer, key string, size int64) (*Upload, *source) {
	t.Helper()
	resp, err := call(t, http.MethodPost, s.sign(http.MethodPost, key, url.Values{"uploads": {""}}))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var begun struct{ UploadId string } //nolint:revive // the name of an element
	if err := xml.NewDecoder(resp.Body).Decode(&begun); err != nil || begun.UploadId == "" {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	id := url.Values{"uploadId": {begun.UploadId}}
	d, content := upload(transfer.ProtocolS3, s.sign(http.MethodPut, key, nil), size)
	d.Headers, d.Session.PartSize = nil, s3Part
	p := &d.Outgoing.Presigned
	for n := range max(1, (size+s3Part-1)/s3Part) {
		p.PartURLs = append(p.PartURLs, s.sign(http.MethodPut, key,
			url.Values{"uploadId": id["uploadId"], "partNumber": {strconv.FormatInt(n+1, 10)}}))
	}
	p.CompleteURL, p.AbortURL = s.sign(http.MethodPost, key, id), s.sign(http.MethodDelete, key, id)
	p.ObjectURL = s.sign(http.MethodHead, key, nil)
	return d, content
}

func TestVersityTakesPresigned(t *testing.T) {
	s, dir := startVersity(t)
	c := newClient(t, nil)
	for _, size := range []int64{1, s3Part, 3*s3Part + 12345} {
		key := "o" + strconv.FormatInt(size, 10)
		d, content := presignS3(t, s, key, size)
		if _, f := send(t, c, d, content, 0, &noted{}); f != nil {
			t.Fatalf("%d: %+v, %s", size, f, f.Answer.Body)
		}
		verify(t, filepath.Join(dir, key), content.content)
	}
}

// The answer to the completion is lost: a second try finds the object.
func TestVersityCompletedBefore(t *testing.T) {
	s, dir := startVersity(t)
	c := newClient(t, nil)
	d, content := presignS3(t, s, "o", 2*s3Part+1)
	n := &noted{}
	if _, f := send(t, c, d, content, 0, n); f != nil {
		t.Fatalf("%+v", f)
	}
	d.Session.Parts = n.parts
	slices.SortFunc(d.Session.Parts, func(a, b transfer.SessionPart) int { return a.Number - b.Number })
	content.read.Store(0)
	a, f := send(t, c, d, content, 0, &noted{})
	if f != nil || a.Shown.StatusCode != 200 || content.read.Load() != 0 {
		t.Errorf("%+v %+v", a, f)
	}
	verify(t, filepath.Join(dir, "o"), content.content)

	d.Outgoing.Presigned.ObjectURL = ""
	if _, f := send(t, c, d, content, 0, &noted{}); f == nil {
		t.Log("versitygw completes twice")
	} else if f.Err.Code != transfer.CodeMaybeDuplicate {
		t.Errorf("%+v", f)
	}
}

func TestVersityAborts(t *testing.T) {
	s, dir := startVersity(t)
	c := newClient(t, nil)
	d, content := presignS3(t, s, "o", 2*s3Part)
	n := &noted{}
	stop := false
	d.Connections = 1
	d.Finishing = func() bool { was := stop; stop = true; return was }
	if _, f := send(t, c, d, content, 0, n); failureCode(f) != transfer.CodeShuttingDown || len(n.parts) != 1 {
		t.Fatalf("%v %+v", n.parts, f)
	}
	for range 2 {
		if e := c.Discard(t.Context(), d, d.Outgoing.Presigned.AbortURL); e != nil {
			t.Error(e)
		}
	}
	d.Finishing = nil
	_, f := send(t, c, d, content, 0, &noted{})
	if failureCode(f) != transfer.CodeStatus || f.Err.Status != 404 {
		t.Errorf("%+v", f)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".sgwtmp", "multipart", "*", "*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// An expired or wrong signature is 403, which a resolver may repair.
func TestVersityRefusesSignatures(t *testing.T) {
	s, _ := startVersity(t)
	d, content := presignS3(t, s, "o", 1000)
	d.Outgoing.Presigned.PartURLs[0] += "0"
	_, f := send(t, newClient(t, nil), d, content, 0, &noted{})
	if failureCode(f) != transfer.CodeStatus || f.Err.Status != 403 {
		t.Errorf("%+v", f)
	}
}
