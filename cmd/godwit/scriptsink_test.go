package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

type sinkKey struct{}

// sink is a web server that takes uploads: $SINK is its address, what it was sent
// lies under received/ in the script's folder, by the URL's path.
type sink struct {
	folder string
	status atomic.Int64
}

func startSink(env *testscript.Env) {
	s := &sink{folder: filepath.Join(env.WorkDir, "received")}
	server := httptest.NewServer(s)
	env.Defer(server.Close)
	env.Values[sinkKey{}] = s
	env.Setenv("SINK", server.URL)
}

// ServeHTTP keeps the bodies of requests that have one, and says what it got.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions || r.Method == http.MethodHead {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = os.MkdirAll(s.folder, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.folder, filepath.Base(r.URL.Path)), body, 0o600)
	}
	status := int(s.status.Load())
	switch {
	case status == cut:
		panic(http.ErrAbortHandler)
	case err != nil:
		status = http.StatusInternalServerError
	case status == 0:
		status = http.StatusCreated
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s with %d bytes, %s, key %q\n", r.Method, len(body), r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key"))
}

// cut in place of a status breaks the connection after the body.
const cut = 1

// commandSink makes the sink answer with a status: sink status N; 0 for 201, 1 for
// no answer.
func commandSink(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || args[0] != "status" {
		ts.Fatalf("usage: sink status N")
	}
	n, err := parseBytes(args[1])
	ts.Check(err)
	ts.Value(sinkKey{}).(*sink).status.Store(n)
}
