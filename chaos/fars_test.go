package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

// fars are the far sides of the scenario upload, one for each way to upload.
// Their servers end with the test.
func fars(t testing.TB, folder string) []Kind {
	sink := func(protocol string, change func(*endpointtest.Sink, string, *pb.Transfer)) Far {
		return &sinkFar{Sink: endpointtest.NewSink(t, endpointtest.SinkOptions{}), protocol: protocol, change: change}
	}
	post := func(key bool) func(*endpointtest.Sink, string, *pb.Transfer) {
		return func(_ *endpointtest.Sink, name string, t *pb.Transfer) {
			if key {
				t.Upload.IdempotencyKey = "key-of-" + name
			}
		}
	}
	resumable := func(start func(testing.TB, endpointtest.ResumableOptions) *endpointtest.Resumable, protocol string, connections int32) Far {
		dir := filepath.Join(folder, fmt.Sprint("far-", protocol, connections))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return &resumableFar{
			Resumable: start(t, endpointtest.ResumableOptions{Dir: dir}),
			protocol:  protocol, connections: connections, before: map[string]int64{},
		}
	}
	return []Kind{
		{Name: "put", Far: sink("put", nil)},
		{Name: "post", Far: sink("post", post(false)), Once: true},
		{Name: "post with a key", Far: sink("post", post(true))},
		{Name: "tus", Far: resumable(endpointtest.NewTus, "tus", 0), Resumes: true},
		{Name: "tus in parts", Far: resumable(endpointtest.NewTus, "tus", 3), Resumes: true},
		{Name: "ietf", Far: resumable(endpointtest.NewIETF, "ietf", 0), Resumes: true},
		{Name: "gcs", Far: sink("gcs", nil), Resumes: true},
		{Name: "content-range", Far: sink("content-range", nil), Resumes: true},
		{Name: "s3-presigned", Far: sink("s3-presigned", presign), Resumes: true},
	}
}

// sinkFar takes what does not need a resource for each upload, or makes one under
// the path of the result.
type sinkFar struct {
	*endpointtest.Sink
	protocol string
	change   func(*endpointtest.Sink, string, *pb.Transfer)
}

func (f *sinkFar) Prepare(name string) *pb.Transfer {
	t := &pb.Transfer{Destination: &pb.Endpoint{Url: f.URL("/" + name)}, Upload: &pb.Upload{Protocol: f.protocol}}
	if f.change != nil {
		f.change(f.Sink, name, t)
	}
	return t
}

func (f *sinkFar) Received(name string) int64 { return f.Sink.Received("/" + name) }

func (f *sinkFar) Requests(name string) int { return f.Count("POST", "/"+name) }

func (f *sinkFar) Result(name string) (string, int64, bool) {
	o, found := f.Object("/" + name)
	return o.SHA256, o.Size, found
}

// presign names the URLs of an S3 multipart upload. The sink looks at no
// signature.
func presign(s *endpointtest.Sink, name string, t *pb.Transfer) {
	id := s.NewUpload("/" + name)
	object := s.URL("/" + name)
	t.Destination.Url = object + "?partNumber={part}&uploadId=" + id
	t.Upload.Presigned = &pb.Presigned{
		CompleteUrl: object + "?uploadId=" + id, AbortUrl: object + "?uploadId=" + id, ObjectUrl: object,
	}
}

// resumableFar takes one upload after the other.
type resumableFar struct {
	*endpointtest.Resumable
	protocol    string
	connections int32

	mu     sync.Mutex // guards before
	before map[string]int64
}

func (f *resumableFar) Prepare(name string) *pb.Transfer {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before[name] = f.Resumable.Received()
	return &pb.Transfer{
		Destination: &pb.Endpoint{Url: f.URL()}, Connections: f.connections, Upload: &pb.Upload{Protocol: f.protocol},
	}
}

func (f *resumableFar) Received(name string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Resumable.Received() - f.before[name]
}

func (f *resumableFar) Requests(string) int { return 0 } // it is never once

func (f *resumableFar) Result(string) (string, int64, bool) {
	all := f.Uploads()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Complete && !all[i].Partial {
			return all[i].SHA256, all[i].Offset, true
		}
	}
	return "", 0, false
}
