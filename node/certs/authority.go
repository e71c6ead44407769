package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// How long certificates are valid, in days: that of the authority, and those
// that it signs. Some systems take no more than 825 days of the latter.
const (
	authorityDays = 3650
	leafDays      = 730
)

// ahead is how much the clock of a node may be behind the one that signed.
const ahead = time.Hour

const day = 24 * time.Hour

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	// certPEM is the certificate as its file has it.
	certPEM []byte
	key     *ecdsa.PrivateKey
}

// newAuthority returns a new authority and its key in PEM form.
func newAuthority(now time.Time) (*authority, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the authority's key: %w", err)
	}
	template := &x509.Certificate{
		// The text tells the authorities of two folders apart.
		Subject:   pkix.Name{Organization: []string{"godwit"}, CommonName: "godwit authority " + rand.Text()[:8]},
		NotBefore: now.Add(-ahead), NotAfter: now.Add(authorityDays * day),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the authority's certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	keyPEM, err := encodeKey(key)
	return &authority{cert: cert, certPEM: encodeCert(der), key: key}, keyPEM, err
}

// ErrAuthority is wrapped by the errors for an authority that cannot be used.
var ErrAuthority = errors.New("the authority cannot be used")

// loadAuthority reads the authority of a folder.
func loadAuthority(dir string) (*authority, error) {
	a, err := readAuthority(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthority, err)
	}
	return a, nil
}

func readAuthority(dir string) (*authority, error) {
	certPath, keyPath := filepath.Join(dir, AuthorityCert), filepath.Join(dir, authorityKey)
	certPEM, err := os.ReadFile(certPath)
	if err != nil {
		return nil, err
	}
	keyPEM, err := readPrivate(keyPath)
	if err != nil {
		return nil, err
	}
	// It also compares the two.
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read %s and %s: %w", certPath, keyPath, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	switch {
	case !pair.Leaf.IsCA:
		return nil, fmt.Errorf("read %s: it is no authority's certificate", certPath)
	case !ok:
		return nil, fmt.Errorf("read %s: it is no key on an elliptic curve", keyPath)
	}
	return &authority{cert: pair.Leaf, certPEM: certPEM, key: key}, nil
}

// subject is whom a certificate is for. Hosts are DNS names and addresses; none
// makes it one for calling only.
type subject struct {
	name  string
	hosts []string
}

// sign returns a certificate and its key in PEM form, and until when it is valid.
func (a *authority) sign(who subject, now time.Time) (certPEM, keyPEM []byte, until time.Time, err error) {
	until = earlier(now.Add(leafDays*day), a.cert.NotAfter)
	if !until.After(now) {
		return nil, nil, until, fmt.Errorf("%w: it has expired on %s", ErrAuthority, a.cert.NotAfter.Format(time.DateOnly))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, until, fmt.Errorf("make a key for %s: %w", who.name, err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"godwit"}, CommonName: who.name},
		NotBefore: now.Add(-ahead), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if len(who.hosts) > 0 {
		// Nodes call each other: each is a server and a client.
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range who.hosts {
		if addr, err := netip.ParseAddr(host); err == nil {
			template.IPAddresses = append(template.IPAddresses, addr.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, until, fmt.Errorf("sign for %s: %w", who.name, err)
	}
	keyPEM, err = encodeKey(key)
	return encodeCert(der), keyPEM, until, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// errReadable is wrapped by the error for a key that others can read.
var errReadable = errors.New("others can read it")
