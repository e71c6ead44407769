package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Credentials and bucket of the S3 servers that are written to.
const (
	accessKey = "bench"
	secretKey = "bench-secret"
	bucket    = "bench"
)

// s3Target is a running S3 server that results are written to.
type s3Target struct {
	*server
	endpoint string
	// folder is where the bucket's objects lie, "" when they are dropped.
	folder string
}

// startDiscard runs this program once more, as the S3 server that discards.
func startDiscard(ctx context.Context, logs string) (*s3Target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start discard: %w", err)
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s, err := startServer(ctx, "discard", addr, logs, command{
		argv: []string{self, "-" + serveDiscardFlag}, env: []string{discardAddrVariable + "=" + addr},
	})
	if err != nil {
		return nil, err
	}
	return &s3Target{server: s, endpoint: "http://" + addr}, nil
}

// startVersity runs versitygw over a new folder.
func startVersity(ctx context.Context, program, dir, logs string) (*s3Target, error) {
	folder := filepath.Join(dir, bucket)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("start versitygw: %w", err)
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s, err := startServer(ctx, "versitygw", addr, logs, command{
		argv: []string{program, "--port", addr, "--quiet", "--keep-alive", "posix", dir},
		env:  []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey},
	})
	if err != nil {
		return nil, err
	}
	return &s3Target{server: s, endpoint: "http://" + addr, folder: folder}, nil
}

// check compares what a run left under key with what was served, and removes
// it. Of a server that discards only the size can be compared.
func (t *s3Target) check(ctx context.Context, key, want string) error {
	if t.folder != "" {
		path := filepath.Join(t.folder, key)
		return errors.Join(sameContent(path, want), os.Remove(path))
	}
	info, err := os.Stat(want)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	header, err := t.ask(ctx, http.MethodHead, key)
	if err != nil {
		return err
	}
	if got := header.Get("Content-Length"); got != strconv.FormatInt(info.Size(), 10) {
		return fmt.Errorf("the object has %s bytes, not %d", got, info.Size())
	}
	_, err = t.ask(ctx, http.MethodDelete, key)
	return err
}

// ask sends one unsigned request for an object and returns the answer's header.
func (t *s3Target) ask(ctx context.Context, method, key string) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, t.endpoint+"/"+bucket+"/"+key, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", key, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", key, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: status %d", method, key, resp.StatusCode)
	}
	return resp.Header, nil
}
