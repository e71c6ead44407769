package chaos

import (
	"net/http"
	"strings"
	"testing"

	"godwit/client"
	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
	"godwit/storage/s3/s3test"
)

// denials are stores that do not let us write, each in its own words.
var denials = []struct {
	name, op string
	fault    s3test.Fault
	code     string
	// keeps: what was stored before the refusal is kept for a retry.
	keeps bool
}{
	{"bucket of others", "HeadObject", s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}, "store.denied", false},
	{"prefix of others", "CreateMultipartUpload", s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}, "store.denied", false},
	{"requester pays", "CreateMultipartUpload", s3test.Fault{Status: http.StatusForbidden, Raw: "<html>"}, "store.denied", false},
	{"key that is disabled", "CreateMultipartUpload", s3test.Fault{Status: http.StatusBadRequest, Code: "KMS.DisabledException"}, "store.denied", false},
	{"key that vanishes", "UploadPart", s3test.Fault{Status: http.StatusBadRequest, Code: "KMS.NotFoundException"}, "store.denied", false},
	{"retention", "CompleteMultipartUpload", s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}, "store.denied", true},
	{"retention of another kind", "CompleteMultipartUpload", s3test.Fault{Status: http.StatusBadRequest, Code: "InvalidRequest"}, "store.invalid", true},
	{"versioned bucket", "", s3test.Fault{Header: http.Header{"X-Amz-Version-Id": {"v1"}}}, "", false},
}

// TestStoresThatDeny writes to them through a server and with a command. What
// they refuse is not asked for again, the cause is shown, and nothing is left.
func TestStoresThatDeny(t *testing.T) {
	t.Parallel()
	o := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 18})
	for _, c := range denials {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := s3test.NewFake(t)
			fake.SetFaults(func(call s3test.Call) s3test.Fault {
				if c.op == "" || call.Op == c.op && strings.HasPrefix(call.Name, "results/") {
					return c.fault
				}
				return s3test.Fault{}
			})
			s := serve(t, reachS3(fake))
			want := &pb.Transfer{Id: "t", Source: &pb.Endpoint{Url: o.URL("/f")}, Destination: &pb.Endpoint{Url: "s3://results/api"}}
			_, err := s.Create(t.Context(), want, true)
			code, message := client.CodeOf(err), ""
			if err == nil {
				last := s.ended("t")
				code, message = last.GetError().GetCode(), last.GetError().GetMessage()
				if last.GetAttempts() != 1 {
					t.Errorf("it was tried %d times", last.GetAttempts())
				}
			} else {
				message = err.Error()
			}
			if code != c.code || !strings.Contains(message, c.fault.Code) {
				t.Errorf("%s %s, want %s", code, message, c.code)
			}
			got := godwit(t, environment(t, reachS3(fake)...), "get", o.URL("/f"), "s3://results/cli", "--data-dir", t.TempDir(), "--no-progress", "-o", "json")
			judge(t, got, c.code)
			if !strings.Contains(got.stderr, c.fault.Code) {
				t.Errorf("the cause is not shown: %s", got.stderr)
			}
			if left := fake.Uploads(); len(left) > 0 != c.keeps {
				t.Errorf("left behind: %v", left)
			}
			if published := len(fake.Objects()); (c.code == "") != (published == 2) {
				t.Errorf("%d objects", published)
			}
			if c.keeps {
				fake.SetFaults(nil)
				goesOn(t, s, o)
			}
			s.healthy()
		})
	}
}

// goesOn retries the transfer once its store takes it: nothing is fetched again.
func goesOn(t *testing.T, s *server, o *endpointtest.Origin) {
	t.Helper()
	if _, err := s.Retry(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	last := s.ended("t")
	if last.GetStatus() != pb.Transfer_COMPLETED || last.GetProgress().GetBytesOnWire() > o.Content().Size {
		t.Errorf("after a retry: %v", last)
	}
}
