package chaos

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

// mixFar takes uploads, in one request or in a session.
type mixFar struct {
	*endpointtest.Sink
	folder  string
	sources []endpointtest.Content
	sums    map[uint64]string
}

// startMixFar listens on a host, and writes the files that are uploaded. The
// caller closes it.
func startMixFar(host, folder string, seed uint64, rate, size int64) (*mixFar, error) {
	sink, err := endpointtest.StartSink(endpointtest.SinkOptions{Addr: host + ":0", Rate: rate})
	if err != nil {
		return nil, fmt.Errorf("start a far side: %w", err)
	}
	f := &mixFar{Sink: sink, folder: folder, sums: map[uint64]string{}}
	for i := range int64(3) {
		c := endpointtest.Content{Seed: seed<<20 + 1<<19 + uint64(i), Generation: 1, Size: size*(i+1)/4 - 7}
		f.sources = append(f.sources, c)
		if err := f.write(c); err != nil {
			sink.Close()
			return nil, err
		}
	}
	return f, nil
}

func (f *mixFar) path(c endpointtest.Content) string {
	return filepath.Join(f.folder, fmt.Sprintf("source-%d", c.Seed))
}

func (f *mixFar) write(c endpointtest.Content) error {
	file, err := os.Create(f.path(c))
	if err != nil {
		return fmt.Errorf("write what is uploaded: %w", err)
	}
	defer file.Close() //nolint:errcheck // the error of the copy counts
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(file, h), c.Reader(0)); err != nil {
		return fmt.Errorf("write what is uploaded: %w", err)
	}
	f.sums[c.Seed] = hex.EncodeToString(h.Sum(nil))
	return nil
}

// describe makes a transfer an upload; every second one goes on where it was
// interrupted.
func (f *mixFar) describe(j *mixJob, t *pb.Transfer) {
	t.Direction = pb.Transfer_UPLOAD
	t.Source = &pb.Endpoint{Url: "file://" + f.path(j.content)}
	t.Destination = &pb.Endpoint{Url: f.URL("/" + j.id)}
	t.Upload = &pb.Upload{Protocol: "put"}
	if j.file {
		t.Upload.Protocol = "gcs"
	}
}

// look says how much has arrived under the name of a transfer, and what is wrong
// with it.
func (f *mixFar) look(j *mixJob) (size int64, wrong string, there bool) {
	o, there := f.Object("/" + j.id)
	if there && (o.SHA256 != f.sums[j.content.Seed] || o.Size != j.content.Size) {
		wrong = fmt.Sprintf("%d bytes with sha256 %s arrived, %d with %s were sent", o.Size, o.SHA256, j.content.Size, f.sums[j.content.Seed])
	}
	return o.Size, wrong, there
}

func (f *mixFar) remove(j *mixJob) error {
	r, err := http.NewRequest(http.MethodDelete, f.URL("/"+j.id), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
