package node

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
	"godwit/transfer"
)

// startNode runs a node until the test ends and returns it when it is ready.
func startNode(t *testing.T, cfg Config) *Node {
	t.Helper()
	if cfg.DataDir == "" {
		cfg.DataDir = t.TempDir()
	}
	if cfg.APIAddr == "" {
		cfg.APIAddr = "127.0.0.1:0"
	}
	if cfg.GossipAddr == "" {
		cfg.RemoteAddr, cfg.GossipAddr = "127.0.0.1:0", "127.0.0.1:0"
	}
	cfg.Name = cmp.Or(cfg.Name, "n1")
	if cfg.Logger == nil {
		cfg.Logger = testLogger(t)
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the node ended with %v", err)
		}
	})
	select {
	case <-n.readiness.became:
	case err := <-ended:
		ended <- nil
		t.Fatalf("the node did not start: %v", err)
	}
	return n
}

// testLogger logs to t and fails it at an error, which is a bug of ours.
func testLogger(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(logWriter{t}, nil))
}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "level=ERROR") {
		w.t.Errorf("logged: %s", p)
	}
	return len(p), nil
}

func rpc(n *Node) godwitv1connect.TransferServiceClient {
	return godwitv1connect.NewTransferServiceClient(http.DefaultClient, "http://"+n.Addr())
}

// await watches transfer t1 to its end.
func await(t *testing.T, client godwitv1connect.TransferServiceClient) *pb.Transfer {
	t.Helper()
	stream, err := client.WatchTransfers(t.Context(), connect.NewRequest(&pb.WatchTransfersRequest{Ids: []string{"t1"}}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	var last *pb.Transfer
	for stream.Receive() {
		last = stream.Msg().GetTransfer()
	}
	if stream.Err() != nil {
		t.Fatal(stream.Err())
	}
	return last
}

func TestNodeDownloadsAFile(t *testing.T) {
	origin := endpointtest.New(t, endpointtest.Options{Seed: 1, Size: 3<<20 + 17})
	root := t.TempDir()
	n := startNode(t, Config{FileRoots: []string{root}, EgressAllow: []string{"127.0.0.0/8"}})
	client := rpc(n)
	dest := filepath.Join(root, "f")
	_, err := client.CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{Transfer: &pb.Transfer{
		Id: "t1", Source: &pb.Endpoint{Url: origin.URL("/f?token=CANARY")}, Destination: &pb.Endpoint{Url: "file://" + dest},
		Headers:   []*pb.Header{{Name: "Authorization", Value: "Bearer CANARY"}},
		Checksums: &pb.Checksums{Sha256: origin.SHA256()},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	got := await(t, client)
	if got.GetStatus() != pb.Transfer_COMPLETED || got.GetChecksums().GetSha256() != origin.SHA256() {
		t.Fatalf("%v", got)
	}
	checkContent(t, dest, origin)
	checkRead(t, client, "t1", origin)
	checkMetrics(t, n)
	noCanary(t, n.cfg.DataDir)
}

func checkContent(t *testing.T, path string, origin *endpointtest.Origin) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, origin.Content().Size)
	if _, err := origin.Content().ReadAt(want, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatalf("the file has %d bytes and differs from the %d of the origin", len(got), len(want))
	}
}

func checkRead(t *testing.T, client godwitv1connect.TransferServiceClient, id string, origin *endpointtest.Origin) {
	t.Helper()
	const offset = 1 << 20
	stream, err := client.ReadTransfer(t.Context(), connect.NewRequest(&pb.ReadTransferRequest{Id: id, Offset: offset}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	var n int64
	for stream.Receive() {
		n += int64(len(stream.Msg().GetData()))
	}
	if stream.Err() != nil || n != origin.Content().Size-offset {
		t.Fatalf("read %d bytes, %v", n, stream.Err())
	}
}

func checkMetrics(t *testing.T, n *Node) {
	t.Helper()
	text := get(t, http.DefaultClient, "http://"+n.Addr()+"/metrics", http.StatusOK)
	for _, want := range []string{
		`godwit_transfers{direction="DOWNLOAD",state="COMPLETED"} 1`, `godwit_transfers{direction="DOWNLOAD",state="RUNNING"} 0`, `godwit_transfer_bytes_total{direction="DOWNLOAD"} `,
		`godwit_state_writes_total{op=`, `godwit_cluster_members{state="ALIVE"} 1`, `godwit_fenced_writes_total 0`,
		`godwit_takeover_seconds_count `, `godwit_build_info{`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "CANARY") || strings.Contains(text, "t1") {
		t.Error("metrics name a URL or a transfer")
	}
}

// noCanary looks for the secret in everything a node has written.
func noCanary(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), "CANARY") {
			t.Errorf("%s holds the secret", path)
		}
		files++
		return err
	})
	if err != nil || files < 3 {
		t.Fatalf("%d files, %v", files, err)
	}
}

func get(t *testing.T, client *http.Client, url string, want int) string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s: %d %s, %v", url, resp.StatusCode, body, err)
	}
	return string(body)
}

func TestNodeRefusesWhatItNeverRuns(t *testing.T) {
	root := t.TempDir()
	n := startNode(t, Config{FileRoots: []string{root}, EgressAllow: []string{"10.0.0.0/8"}})
	inside := "file://" + filepath.Join(root, "f")
	for name, tt := range map[string]struct {
		source, mirror, destination string
		code                        transfer.Code
	}{
		"loopback":        {"http://127.0.0.1/", "", inside, transfer.CodeEgress},
		"loopback v6":     {"http://[::1]/", "", inside, transfer.CodeEgress},
		"metadata":        {"http://169.254.169.254/", "", inside, transfer.CodeEgress},
		"itself":          {"http://" + n.Addr() + "/", "", inside, transfer.CodeEgress},
		"mirror":          {"http://10.0.0.1/", "http://192.168.0.1/", inside, transfer.CodeEgress},
		"outside":         {"http://10.0.0.1/", "", "file:///etc/passwd", transfer.CodePathDenied},
		"root itself":     {"http://10.0.0.1/", "", "file://" + root, transfer.CodePathDenied},
		"beside the root": {"http://10.0.0.1/", "", "file://" + root + "x/f", transfer.CodePathDenied},
	} {
		m := &pb.Transfer{Source: &pb.Endpoint{Url: tt.source}, Destination: &pb.Endpoint{Url: tt.destination}}
		if tt.mirror != "" {
			m.Mirrors = []*pb.Endpoint{{Url: tt.mirror}}
		}
		_, err := rpc(n).CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{Transfer: m}))
		if connect.CodeOf(err) != connect.CodePermissionDenied || !strings.Contains(err.Error(), string(tt.code)) {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
}

func TestNodeNeedsASafeStart(t *testing.T) {
	_, err := New(Config{APIAddr: "0.0.0.0:0", DataDir: t.TempDir()})
	wantConfigError(t, err, "api-addr")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = New(Config{APIAddr: "127.0.0.1:0", DataDir: file})
	wantConfigError(t, err, "data-dir")
	_, err = New(Config{APIAddr: "127.0.0.1:0", DataDir: t.TempDir(), APITokenFile: file})
	wantConfigError(t, err, "api-token-file")
}

// raw sends bytes and returns the first line of the answer and whether the
// node then closed the connection.
func raw(t *testing.T, n *Node, request string) (string, bool) {
	t.Helper()
	conn, err := net.Dial("tcp", n.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() { _, _ = io.WriteString(conn, request) }()
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil {
		return "", true
	}
	_, err = io.Copy(io.Discard, r)
	return strings.TrimSpace(line), err == nil || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset")
}

func TestMalformedHTTPIsRefused(t *testing.T) {
	n := startNode(t, Config{})
	const head = "POST /godwit.v1.TransferService/ListTransfers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
	for name, tt := range map[string]struct{ request, status string }{
		"length and chunked":  {head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"two lengths":         {head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400"},
		"negative length":     {head + "Content-Length: -2\r\n\r\n", "400"},
		"chunk size overflow": {head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "400"},
		"2 MiB of headers":    {head + "X-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n", "431"},
		"no host":             {"GET /livez HTTP/1.1\r\n\r\n", "400"},
		"TRACE":               {"TRACE /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "404"},
	} {
		line, closed := raw(t, n, tt.request)
		if line != "" && !strings.Contains(line, " "+tt.status+" ") || !closed {
			t.Errorf("%s: %q, closed %v", name, line, closed)
		}
	}
	get(t, http.DefaultClient, "http://"+n.Addr()+"/livez", http.StatusOK)
}

func TestHTTP2WithoutTLS(t *testing.T) {
	n := startNode(t, Config{})
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get("http://" + n.Addr() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Fatalf("%s %s", resp.Status, resp.Proto)
	}
}

// writeCertificate makes a certificate for 127.0.0.1, signed by itself, that
// also serves as client certificate and authority.
func writeCertificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// tlsClient trusts a certificate file, and presents it when asked to.
func tlsClient(t *testing.T, cert, key string, present bool, maxVersion uint16) *http.Client {
	t.Helper()
	content, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(content)
	cfg := &tls.Config{RootCAs: roots, MaxVersion: maxVersion, MinVersion: tls.VersionTLS10}
	if present {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestTLSAndTokens(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir)
	tokens := filepath.Join(dir, "tokens")
	if err := os.WriteFile(tokens, []byte("the-first-token-1234\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, Config{APIAddr: "127.0.0.1:0", TLSCert: cert, TLSKey: key, TLSCA: cert, APITokenFile: tokens})
	url := "https://" + n.Addr() + "/openapi.yaml"
	call := func(client *http.Client, token string) (int, error) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	good := tlsClient(t, cert, key, true, 0)
	if status, err := call(good, "the-first-token-1234"); status != http.StatusOK || err != nil {
		t.Fatalf("%d %v", status, err)
	}
	if status, err := call(good, "another-token-123456"); status != http.StatusUnauthorized || err != nil {
		t.Fatalf("%d %v", status, err)
	}
	bare := tlsClient(t, cert, key, false, 0)
	if status, err := call(bare, "the-first-token-1234"); status != http.StatusUnauthorized || err != nil {
		t.Errorf("a client without certificate: %d %v", status, err)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		resp, err := bare.Get("https://" + n.Addr() + path)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s without certificate: %v %v", path, resp, err)
			continue
		}
		_ = resp.Body.Close()
	}
	strangers, strangersKey := writeCertificate(t, t.TempDir())
	stranger := tlsClient(t, cert, key, false, 0)
	pair, err := tls.LoadX509KeyPair(strangers, strangersKey)
	if err != nil {
		t.Fatal(err)
	}
	stranger.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	if status, err := call(stranger, "the-first-token-1234"); err == nil {
		t.Errorf("a certificate of another authority: %d", status)
	}
	if _, err := call(tlsClient(t, cert, key, true, tls.VersionTLS11), "the-first-token-1234"); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	if err := os.WriteFile(tokens, []byte("the-second-token-123\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.Reload(); err != nil {
		t.Fatal(err)
	}
	if status, _ := call(good, "the-first-token-1234"); status != http.StatusUnauthorized {
		t.Errorf("the old token: %d", status)
	}
	if status, _ := call(good, "the-second-token-123"); status != http.StatusOK {
		t.Errorf("the new token: %d", status)
	}
	if err := os.Chmod(tokens, 0o644); err != nil {
		t.Fatal(err)
	}
	wantConfigError(t, n.Reload(), "api-token-file")
}

func TestStopLeavesNothingOwned(t *testing.T) {
	origin := endpointtest.New(t, endpointtest.Options{Seed: 2, Size: 64 << 20, Behavior: endpointtest.Behavior{Rate: 4 << 20}})
	root, data := t.TempDir(), t.TempDir()
	cfg := Config{
		DataDir: data, FileRoots: []string{root}, EgressAllow: []string{"127.0.0.0/8"}, APIAddr: "127.0.0.1:0", RemoteAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0",
		Name: "n1", Logger: testLogger(t),
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	<-n.readiness.became
	_, err = rpc(n).CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{Transfer: &pb.Transfer{
		Id: "t1", Source: &pb.Endpoint{Url: origin.URL("/f")}, Destination: &pb.Endpoint{Url: "file://" + filepath.Join(root, "f")},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	if err := origin.WaitServed(t.Context(), 1<<20); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatalf("Run: %v", err)
	}
	if _, err := net.Dial("tcp", n.Addr()); err == nil {
		t.Error("the API still listens")
	}
	origin.Set(func(b *endpointtest.Behavior) { b.Rate = 0 })
	again := startNode(t, Config{DataDir: data, FileRoots: cfg.FileRoots, EgressAllow: cfg.EgressAllow})
	if got := await(t, rpc(again)); got.GetStatus() != pb.Transfer_COMPLETED {
		t.Fatalf("%v", got)
	}
	checkContent(t, filepath.Join(root, "f"), origin)
}

func TestNodeSaysWhyItIsNotReady(t *testing.T) {
	r := newReadiness()
	for _, step := range []struct {
		do   func()
		want error
	}{{func() {}, errStarting}, {r.ready, nil}, {r.ready, nil}, {r.stopping, errStopping}, {r.ready, errStopping}} {
		step.do()
		if got := r.check(); fmt.Sprint(got) != fmt.Sprint(step.want) {
			t.Errorf("%v, want %v", got, step.want)
		}
	}
}
