package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"godwit/storage"
	"godwit/storage/s3"
	"godwit/storage/s3/s3test"
)

// discardEnv makes the test binary serve a discarding fake instead of running
// tests, so that the benchmark measures the client's CPU alone.
const discardEnv = "GODWIT_TEST_DISCARD_S3"

func TestMain(m *testing.M) {
	if os.Getenv(discardEnv) != "" {
		server := httptest.NewServer(s3test.NewServer().Discard())
		fmt.Println(server.URL)
		io.Copy(io.Discard, os.Stdin) //nolint:errcheck // it ends with its parent
		return
	}
	os.Exit(m.Run())
}

// startDiscard runs a discarding fake in a process of its own.
func startDiscard(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), discardEnv+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close() //nolint:errcheck // closing it is the whole message
		cmd.Wait()    //nolint:errcheck // its end is all that matters
	})
	var endpoint string
	if _, err := fmt.Fscanln(stdout, &endpoint); err != nil || !strings.HasPrefix(endpoint, "http://") {
		b.Fatalf("got %q, %v", endpoint, err)
	}
	return endpoint
}

// cpu is the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPutPart stores 16 MiB parts, filled from memory, into a server that
// discards them.
func BenchmarkPutPart(b *testing.B) {
	endpoint := startDiscard(b)
	source := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	for _, streams := range []int{1, 4} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			os := openObjects(b, s3.Config{Endpoint: endpoint})
			up, err := os.Begin(b.Context(), "bucket/k", storage.BeginOptions{Token: "t"})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(source)))
			b.ReportAllocs()
			before := cpu(b)
			b.ResetTimer()
			var wg sync.WaitGroup
			for stream := range streams {
				wg.Go(func() {
					for i := stream; i < b.N; i += streams {
						if err := putPart(b, os, up, i%1000+1, source); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric((cpu(b)-before).Seconds()/(float64(b.N*len(source))/1e9), "cpu-s/GB")
		})
	}
}

func putPart(b *testing.B, os *s3.Objects, up storage.Upload, number int, content []byte) error {
	w, err := os.OpenPart(b.Context(), up, number, int64(number-1)*int64(len(content)), int64(len(content)))
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := w.ReadFrom(bytes.NewReader(content)); err != nil {
		return err
	}
	_, err = w.Commit(b.Context())
	return err
}

// BenchmarkDiscardFloor sends the same bytes with net/http and nothing else.
func BenchmarkDiscardFloor(b *testing.B) {
	endpoint := startDiscard(b)
	source := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	b.SetBytes(int64(len(source)))
	before := cpu(b)
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, endpoint+"/bucket/k", bytes.NewReader(source))
		if err != nil {
			b.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body) //nolint:errcheck // it is empty
		resp.Body.Close()              //nolint:errcheck // it was read
	}
	b.ReportMetric((cpu(b)-before).Seconds()/(float64(b.N*len(source))/1e9), "cpu-s/GB")
}
