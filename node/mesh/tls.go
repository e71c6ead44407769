package mesh

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// peerCredentials makes of one configuration those of both sides. It insists on
// what makes a certificate of the authority the only way in.
func peerCredentials(cfg *tls.Config) (server, client credentials.TransportCredentials, err error) {
	if cfg == nil {
		return insecure.NewCredentials(), insecure.NewCredentials(), nil
	}
	switch {
	case cfg.RootCAs == nil:
		return nil, nil, errors.New("start mesh: TLS without an authority trusts everybody's certificate")
	case cfg.InsecureSkipVerify:
		return nil, nil, errors.New("start mesh: TLS without verification trusts everybody")
	case len(cfg.Certificates) == 0 && (cfg.GetCertificate == nil || cfg.GetClientCertificate == nil):
		return nil, nil, errors.New("start mesh: TLS without a certificate for both sides")
	}
	both := cfg.Clone()
	both.MinVersion, both.MaxVersion = tls.VersionTLS13, 0
	server, client = credentials.NewTLS(serverSide(both)), credentials.NewTLS(both)
	return server, client, nil
}

func serverSide(both *tls.Config) *tls.Config {
	out := both.Clone()
	out.ClientAuth = tls.RequireAndVerifyClientCert
	if out.ClientCAs == nil {
		out.ClientCAs = both.RootCAs
	}
	out.VerifyConnection = func(c tls.ConnectionState) error {
		if !isNode(c.PeerCertificates[0]) {
			return errors.New("the certificate is one for calling the API, not a node's")
		}
		return nil
	}
	return out
}

// isNode tells the certificate of a node, which is for both sides, from that of
// somebody who calls the API: they have the same authority.
func isNode(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}
