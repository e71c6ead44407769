package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"godwit/transfer"
)

// guardBrowser refuses what only a foreign web page would send. A page of
// another origin is recognised by Sec-Fetch-Site and Origin; one that rebinds
// its own name to our address by its Host. No CORS header is ever sent, so a
// page cannot read answers either.
func guardBrowser(loopbackHosts bool, next http.Handler) http.Handler {
	foreign := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case loopbackHosts && !isLoopbackHost(r.Host):
			refuse(w, r, http.StatusForbidden,
				transfer.Errorf(transfer.CodeHost, "this API answers to localhost and loopback addresses only"))
		case foreign.Check(r) != nil:
			refuse(w, r, http.StatusForbidden,
				transfer.Errorf(transfer.CodeOrigin, "requests from another origin are refused"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isLoopbackHost tells whether a Host header names this machine.
func isLoopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// endAfterChunks ends a connection of HTTP/1 after a request that came in
// chunks. Should it have had a length as well, which the library removes without
// a word, then somebody on the way may take what follows for another request
// than we do (RFC 9112, section 6.1).
func endAfterChunks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// requireCertificate lets a request pass that came with a verified certificate.
func requireCertificate(required bool, next http.Handler) http.Handler {
	if !required {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			refuse(w, r, http.StatusUnauthorized,
				transfer.Errorf(transfer.CodeAuth, "show a certificate of the authority that this node trusts"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// requireToken lets a request pass when it carries one of the tokens.
func requireToken(tokens *Tokens, next http.Handler) http.Handler {
	if tokens == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Has("token") || q.Has("access_token") {
			refuse(w, r, http.StatusBadRequest,
				transfer.Errorf(transfer.CodeAuth, "a token belongs in the Authorization header, never in a URL"))
			return
		}
		if !tokens.allow(r.Header["Authorization"]) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="godwit"`)
			refuse(w, r, http.StatusUnauthorized,
				transfer.Errorf(transfer.CodeAuth, "send a valid token as Authorization: Bearer …"))
			return
		}
		next.ServeHTTP(w, r)
	})
}
