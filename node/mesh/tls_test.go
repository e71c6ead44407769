package mesh

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, key := sign(t, template, nil)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

// sign makes a key and a certificate for it; without an authority it signs itself.
func sign(t *testing.T, template *x509.Certificate, by *authority) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by = &authority{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// config is what a node with a certificate of this authority has.
func (a authority) config(t *testing.T) *tls.Config {
	t.Helper()
	return a.configFor(t, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
}

func (a authority) configFor(t *testing.T, uses ...x509.ExtKeyUsage) *tls.Config {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "node"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: uses,
	}
	der, key := sign(t, template, &a)
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// with has a node use this configuration.
func with(cfg *tls.Config) func(*Config) { return func(c *Config) { c.TLS = cfg } }

func TestTLS(t *testing.T) {
	ours, foreign := newAuthority(t), newAuthority(t)
	node := start(t, "node", echo, with(ours.config(t)))

	friend := start(t, "friend", echo, with(ours.config(t)))
	call(t, friend, peer(node), "")
	call(t, node, peer(friend), "")

	// Trusts our authority and has no certificate of it, with and without one.
	intruder := foreign.config(t)
	intruder.RootCAs = ours.config(t).RootCAs
	for name, cfg := range map[string]*tls.Config{
		"plaintext":             nil,
		"a foreign authority":   foreign.config(t),
		"a foreign certificate": intruder,
	} {
		t.Run(name, func(t *testing.T) {
			other := start(t, "other", echo, with(cfg))
			refused(t, other, peer(node), ErrUnreachable)
			refused(t, node, peer(other), ErrUnreachable)
		})
	}
	call(t, friend, peer(node), "")
}

// Whoever gets by our own Start does not get by the other's.
func TestTLSAsTheServerSeesIt(t *testing.T) {
	ours, foreign := newAuthority(t), newAuthority(t)
	node := start(t, "node", echo, with(ours.config(t)))
	for name, edit := range map[string]func(*tls.Config){
		"no certificate":        func(c *tls.Config) { c.Certificates = nil },
		"a foreign certificate": func(c *tls.Config) { c.Certificates = foreign.config(t).Certificates },
		"a caller's certificate": func(c *tls.Config) {
			c.Certificates = ours.configFor(t, x509.ExtKeyUsageClientAuth).Certificates
		},
		"an older version": func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		"nothing wrong":    func(*tls.Config) {},
	} {
		cfg := ours.config(t)
		cfg.NextProtos = []string{"h2"}
		edit(cfg)
		conn, err := tls.Dial("tcp", node.Addr(), cfg)
		if err == nil {
			// With TLS 1.3 a client learns by reading that it was refused. An
			// accepted one reads the server's settings.
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if (err == nil) != (name == "nothing wrong") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A certificate that is changed is used by the next connection.
func TestTLSCertificatesByFunction(t *testing.T) {
	ours := newAuthority(t)
	cfg := ours.config(t)
	pair := cfg.Certificates[0]
	cfg.Certificates = nil
	cfg.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }
	if _, err := Start(Config{Name: "a", BindAddr: "127.0.0.1:0", Handler: echo, TLS: cfg}); err == nil {
		t.Error("started without a certificate as a client")
	}
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if pair.PrivateKey == nil {
			return nil, errors.New("no key")
		}
		return &pair, nil
	}
	a, b := start(t, "a", echo, with(cfg)), start(t, "b", echo, with(ours.config(t)))
	call(t, a, peer(b), "")
	call(t, b, peer(a), "")
}
