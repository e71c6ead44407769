package endpoint

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"

	"godwit/transfer"
)

// describe says what an error of opening u was about.
func describe(err error, u *url.URL) *transfer.Error {
	var e *transfer.Error
	if !errors.As(err, &e) {
		e = failure{err: err}.classify()
	}
	e.Op = "open"
	if e.Subject == "" {
		e.Subject = u.Host
	}
	return e
}

// failure is an error of the network and what is known of its circumstances.
type failure struct {
	err error
	// cause is why the exchange was canceled, nil if it was not.
	cause error
	// handshake: agreeing on TLS failed. ended: the connection is at its end.
	handshake, ended bool
}

// classify gives a failure its code. The text of the error is dropped unless it
// is known to hold no part of a request or an answer.
func (f failure) classify() *transfer.Error {
	var e *transfer.Error
	var dns *net.DNSError
	switch {
	case errors.As(f.err, &e):
		c := *e // several connections may share one error
		return &c
	case f.cause != nil:
		return canceled(f.cause)
	case errors.As(f.err, &dns):
		return nameError(dns)
	}
	if e := certificateError(f.err); e != nil {
		return e
	}
	fail := func(code transfer.Code, message string) *transfer.Error {
		return &transfer.Error{Code: code, Message: message, Err: safeCause(f.err)}
	}
	switch {
	case isTimeout(f.err):
		return fail(transfer.CodeTimeout, "the far side took too long")
	case f.handshake:
		return fail(transfer.CodeTLSHandshake, "no secure connection could be agreed on")
	case isOffline(f.err):
		return fail(transfer.CodeOffline, "there is no way to the far side's network")
	case isConnect(f.err):
		return fail(transfer.CodeConnect, "the far side cannot be reached")
	case !f.ended && isProtocol(f.err):
		return fail(transfer.CodeProtocol, "the far side does not speak HTTP as it should")
	}
	return fail(transfer.CodeReset, "the connection broke")
}

// canceled is the error of an exchange that was ended from our side.
func canceled(cause error) *transfer.Error {
	switch {
	case errors.Is(cause, errStall):
		return &transfer.Error{Code: transfer.CodeStall, Message: "the far side sends nothing any more", Err: cause}
	case errors.Is(cause, context.DeadlineExceeded):
		return &transfer.Error{Code: transfer.CodeTimeout, Message: "the time for this was over", Err: cause}
	}
	return &transfer.Error{Code: transfer.CodeReset, Message: "it was canceled", Err: cause}
}

func nameError(err *net.DNSError) *transfer.Error {
	if err.IsNotFound {
		return &transfer.Error{Code: transfer.CodeDNS, Message: "there is no host of this name", Err: err}
	}
	if unreachableText(err.Err) {
		return &transfer.Error{Code: transfer.CodeOffline, Message: "there is no way to the resolver of names", Err: err}
	}
	return &transfer.Error{Code: transfer.CodeDNSTemporary, Message: "the name could not be looked up", Err: err}
}

// certificateError is nil for any other error. It never offers to go on without
// verification.
func certificateError(err error) *transfer.Error {
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var roots x509.SystemRootsError
	message := ""
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		message = "the far side's certificate has expired, or is not valid yet"
	case errors.As(err, &invalid):
		message = "the far side's certificate is not acceptable"
	case errors.As(err, &host):
		message = "the far side's certificate is for another host"
	case errors.As(err, &authority):
		message = "the far side's certificate is signed by an unknown authority"
	case errors.As(err, &roots):
		message = "this machine has no certificate authorities"
	default:
		return nil
	}
	return &transfer.Error{Code: transfer.CodeTLSVerify, Message: message}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

func isConnect(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "socks connect" || op.Op == "proxyconnect") ||
		errors.Is(err, syscall.ECONNREFUSED)
}

// isOffline tells that this machine has no network, or no route: not that a
// server does not answer.
func isOffline(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.ENETDOWN) || errors.Is(err, syscall.EHOSTUNREACH)
}

// unreachableText tells the same of the resolver: net keeps only the text of what
// happened on the way to it.
func unreachableText(text string) bool {
	for _, n := range []syscall.Errno{syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EHOSTUNREACH} {
		if strings.Contains(text, n.Error()) {
			return true
		}
	}
	return false
}

// isProtocol recognises what net/http says of broken messages. It has no types
// for most of it.
func isProtocol(err error) bool {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return false
	}
	text := err.Error()
	for _, part := range []string{
		"malformed", "server response headers exceeded", "header list larger", "bad Content-Length",
		"invalid Content-Length", "multiple Content-Length", "Content-Length headers", "unsupported transfer encoding",
		"too many transfer encodings", "invalid byte in chunk length", "chunk length too large", "chunked line ends",
		"chunked encoding contains", "header line too long", "line too long", "invalid header", "too many 1xx",
		"status code", "PROTOCOL_ERROR", "COMPRESSION_ERROR", "FRAME_SIZE_ERROR",
	} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// safeCause is the part of an error that is safe to keep: the number of a system
// call's failure, the end of input, the end of a context.
func safeCause(err error) error {
	var n syscall.Errno
	if errors.As(err, &n) {
		return n
	}
	for _, known := range []error{context.DeadlineExceeded, context.Canceled, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}
