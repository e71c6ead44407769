package node

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"sync/atomic"
)

// certificate is the API's certificate; it may be loaded anew while the node
// serves.
type certificate struct {
	cfg     Config
	current atomic.Pointer[tls.Certificate]
}

// loadCertificate returns nil when the configuration has none.
func loadCertificate(cfg Config) (*certificate, error) {
	if cfg.TLSCert == "" {
		return nil, nil
	}
	c := &certificate{cfg: cfg}
	return c, c.reload()
}

// reload reads the files again; on an error the certificate stays.
func (c *certificate) reload() error {
	if err := checkPrivate(c.cfg.TLSKey, othersRead); err != nil {
		return &ConfigError{Key: "tls-key", Message: "cannot be used", Err: err}
	}
	pair, err := tls.LoadX509KeyPair(c.cfg.TLSCert, c.cfg.TLSKey)
	if err != nil {
		return &ConfigError{Key: "tls-cert", Message: "cannot be used", Err: err}
	}
	c.current.Store(&pair)
	return nil
}

// serverConfig is what the API speaks: TLS 1.2 or newer. When there is an
// authority for clients' certificates, one that is shown must come from it; that
// one is shown is for the API to ask, because whoever probes a node has none.
func (c *certificate) serverConfig() (*tls.Config, error) {
	out := &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	}
	if c.cfg.TLSCA == "" {
		return out, nil
	}
	var err error
	if out.ClientCAs, err = c.authority(); err != nil {
		return nil, err
	}
	out.ClientAuth = tls.VerifyClientCertIfGiven
	return out, nil
}

func (c *certificate) authority() (*x509.CertPool, error) {
	pem, err := os.ReadFile(c.cfg.TLSCA)
	if err != nil {
		return nil, &ConfigError{Key: "tls-ca", Message: "cannot be read", Err: err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, wrong("tls-ca", "holds no certificate in PEM form")
	}
	return pool, nil
}

// peerConfig is what nodes speak with each other: each shows a certificate of
// the authority. Without one it is nil, and they speak in the clear.
func (c *certificate) peerConfig() (*tls.Config, error) {
	if c == nil || c.cfg.TLSCA == "" {
		return nil, nil
	}
	pool, err := c.authority()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		RootCAs: pool, ClientCAs: pool, MinVersion: tls.VersionTLS13,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}, nil
}
