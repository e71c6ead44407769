package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// Spool implements [Spooler]: it keeps nothing but a digest.
func (f *fakeEngine) Spool(_ context.Context, r io.Reader) (string, int64, error) {
	h := sha256.New()
	n, err := io.CopyBuffer(h, struct{ io.Reader }{r}, make([]byte, 1000))
	if err != nil {
		return "", 0, fmt.Errorf("spool: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return "", 0, f.err
	}
	f.spools++
	return fmt.Sprintf("file:///spool/%x", h.Sum(nil)), n, nil
}

// ways are the protocols that carry a stream of a client.
var ways = map[string][]connect.ClientOption{
	"Connect":      nil,
	"Connect JSON": {connect.WithProtoJSON()},
	"gRPC":         {connect.WithGRPC()},
	"gRPC-Web":     {connect.WithGRPCWeb()},
}

func TestSpoolSource(t *testing.T) {
	a := startAPI(t, nil)
	content := bytes.Repeat([]byte("godwit "), 5*MaxRequest/7)
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{0, 1, len(content)} {
				stream := a.connect(options...).SpoolSource(t.Context())
				for rest := content[:size]; len(rest) > 0; {
					n := min(len(rest), 1<<20)
					if err := stream.Send(&pb.SpoolSourceRequest{Data: rest[:n]}); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				answer, err := stream.CloseAndReceive()
				if err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("file:///spool/%x", sha256.Sum256(content[:size]))
				if answer.Msg.GetUrl() != want || answer.Msg.GetSize() != int64(size) {
					t.Errorf("%d bytes: %v, want %s", size, answer.Msg, want)
				}
			}
		})
	}
}

func TestSpoolSourceFails(t *testing.T) {
	a := startAPI(t, nil)
	a.engine.err = &transfer.Error{Code: transfer.CodeStoreUnavailable, Op: "spool", Message: "the store is away"}
	stream := a.connect().SpoolSource(t.Context())
	if err := stream.Send(&pb.SpoolSourceRequest{Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	_, err := stream.CloseAndReceive()
	if got := detail(err).GetCode(); got != string(transfer.CodeStoreUnavailable) {
		t.Errorf("%v", err)
	}
}

// detail is what the API says besides the code of Connect.
func detail(err error) *pb.Error {
	var failed *connect.Error
	if !errors.As(err, &failed) || len(failed.Details()) == 0 {
		return nil
	}
	value, _ := failed.Details()[0].Value()
	e, _ := value.(*pb.Error)
	return e
}

// TestBadSpool sends what is no stream of plain messages.
func TestBadSpool(t *testing.T) {
	a := startAPI(t, nil)
	const streamed = "application/connect+json"
	for name, row := range map[string]struct {
		body, contentType string
		header            []string
		code              transfer.Code
	}{
		"one message":    {`{"data":"AA=="}`, "application/json", nil, transfer.CodeMediaType},
		"unknown type":   {`x`, "application/octet-stream", nil, transfer.CodeMediaType},
		"gzip":           {envelope(`{}`), streamed, []string{"Connect-Content-Encoding", "gzip"}, transfer.CodeMediaType},
		"gzip of gRPC":   {envelope(``), "application/grpc-web", []string{"Grpc-Encoding", "gzip"}, transfer.CodeMediaType},
		"unknown field":  {envelope(`{"data":"AA==","CANARY":1}`), streamed, nil, transfer.CodeJSON},
		"two keys":       {envelope(`{"data":"AA==","data":"AA=="}`), streamed, nil, transfer.CodeJSON},
		"no Base64":      {envelope(`{"data":"AA=="}`) + envelope(`{"data":"CANARY!"}`), streamed, nil, transfer.CodeJSON},
		"cut in a frame": {envelope(`{"data":"AA=="}`)[:9], streamed, nil, transfer.CodeJSON},
		"cut in a head":  {"\x00\x00", streamed, nil, transfer.CodeJSON},
		"too large":      {envelope(`{"data":"` + strings.Repeat("A", MaxRequest) + `"}`), streamed, nil, transfer.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			_, answer := a.post(t, "SpoolSource", row.body, append(row.header, "Content-Type", row.contentType)...)
			if !strings.Contains(answer, string(row.code)) && row.contentType != "application/grpc-web" {
				t.Errorf("%.300s, want %s", answer, row.code)
			}
			if strings.Contains(answer, "CANARY!") {
				t.Errorf("repeats a value: %s", answer)
			}
		})
	}
	if a.engine.spools > 0 {
		t.Errorf("%d of them were spooled", a.engine.spools)
	}
}

func TestSpoolSourceNeedsAToken(t *testing.T) {
	tokens, err := NewTokens([]byte(testToken))
	if err != nil {
		t.Fatal(err)
	}
	a := startAPI(t, func(c *Config) { c.Tokens = tokens })
	stream := a.connect().SpoolSource(t.Context())
	// Whether it gets that far is up to chance.
	_ = stream.Send(&pb.SpoolSourceRequest{Data: []byte("x")})
	if _, err := stream.CloseAndReceive(); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("without a token: %v", err)
	}
	_, answer := a.post(t, "SpoolSource", envelope(`{}`), "Content-Type", "application/connect+json", "Sec-Fetch-Site", "cross-site")
	if !strings.Contains(answer, string(transfer.CodeOrigin)) {
		t.Errorf("from another site: %s", answer)
	}
	if a.engine.spools > 0 {
		t.Errorf("%d of them were spooled", a.engine.spools)
	}
}

func TestSpooledIsBounded(t *testing.T) {
	r := &spooled{size: maxSpooled - 3}
	r.take([]byte("abc"))
	p := make([]byte, 4)
	if n, err := r.Read(p); n != 3 || err != nil {
		t.Errorf("up to the limit: %d, %v", n, err)
	}
	r.take([]byte("d"))
	n, err := r.Read(p)
	var e *transfer.Error
	if n != 0 || !errors.As(err, &e) || e.Code != transfer.CodeTooLarge {
		t.Errorf("beyond: %d, %v", n, err)
	}
}

// The HTTP server sees by its own request that the body was not read to its end;
// only then it waits for the client to read why.
func TestPatientLeavesTheServersRequest(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("content"))
	body, seen := r.Body, ""
	patient(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		seen = string(b)
	}), httptest.NewRecorder(), r)
	if r.Body != body {
		t.Error("the server's request has another body")
	}
	if seen != "content" {
		t.Errorf("the handler read %q", seen)
	}
}
