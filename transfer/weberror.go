package transfer

import (
	"crypto/x509"
	"errors"
)

// WebErrorStatus is the failure in the words of WebErrorStatus of
// Windows.Networking, in upper snake case: by its HTTP status if there is one,
// then by the kind of certificate trouble, then by its code.
func (e *Error) WebErrorStatus() string {
	if e.Status != 0 {
		return statusName(e.Status)
	}
	if e.Code == CodeTLSVerify {
		return certificateName(e.Err, e.Code.Info().WebStatus)
	}
	return e.Code.Info().WebStatus
}

// statusName covers the statuses of the original's list; 429 and later ones
// have no name there and fall under those for unlisted client and server errors.
func statusName(status int) string {
	names := map[int]string{
		300: "MULTIPLE_CHOICES", 301: "MOVED_PERMANENTLY", 302: "FOUND", 303: "SEE_OTHER",
		304: "NOT_MODIFIED", 305: "USE_PROXY", 307: "TEMPORARY_REDIRECT",
		400: "BAD_REQUEST", 401: "UNAUTHORIZED", 402: "PAYMENT_REQUIRED", 403: "FORBIDDEN",
		404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 406: "NOT_ACCEPTABLE",
		407: "PROXY_AUTHENTICATION_REQUIRED", 408: "REQUEST_TIMEOUT", 409: "CONFLICT", 410: "GONE",
		411: "LENGTH_REQUIRED", 412: "PRECONDITION_FAILED", 413: "REQUEST_ENTITY_TOO_LARGE",
		414: "REQUEST_URI_TOO_LONG", 415: "UNSUPPORTED_MEDIA_TYPE",
		416: "REQUESTED_RANGE_NOT_SATISFIABLE", 417: "EXPECTATION_FAILED",
		500: "INTERNAL_SERVER_ERROR", 501: "NOT_IMPLEMENTED", 502: "BAD_GATEWAY",
		503: "SERVICE_UNAVAILABLE", 504: "GATEWAY_TIMEOUT", 505: "HTTP_VERSION_NOT_SUPPORTED",
	}
	if name, ok := names[status]; ok {
		return name
	}
	switch status / 100 {
	case 3:
		return "UNEXPECTED_REDIRECTION"
	case 4:
		return "UNEXPECTED_CLIENT_ERROR"
	case 5:
		return "UNEXPECTED_SERVER_ERROR"
	}
	return "UNEXPECTED_STATUS_CODE"
}

func certificateName(cause error, otherwise string) string {
	var host x509.HostnameError
	if errors.As(cause, &host) {
		return "CERTIFICATE_COMMON_NAME_IS_INCORRECT"
	}
	var invalid x509.CertificateInvalidError
	if errors.As(cause, &invalid) {
		if invalid.Reason == x509.Expired {
			return "CERTIFICATE_EXPIRED"
		}
		return "CERTIFICATE_CONTAINS_ERRORS"
	}
	return otherwise
}
