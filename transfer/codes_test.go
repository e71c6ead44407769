package transfer

import (
	"crypto/x509"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// declaredCodes reads the constants of code.go.
func declaredCodes(t *testing.T) []Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Code" {
			s, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, Code(s))
		}
		return true
	})
	return out
}

func TestEveryCodeHasItsRow(t *testing.T) {
	rows := map[Code]int{}
	for _, row := range Codes() {
		rows[row.Code]++
	}
	declared := declaredCodes(t)
	for _, code := range declared {
		if rows[code] != 1 {
			t.Errorf("%s has %d rows", code, rows[code])
		}
	}
	if len(declared) < 80 || len(declared) != len(Codes()) {
		t.Errorf("%d codes and %d rows", len(declared), len(Codes()))
	}
}

func TestCodeRowsAreSound(t *testing.T) {
	dotted := regexp.MustCompile(`^[a-z0-9_]+\.[a-z0-9_]+$`)
	snake := regexp.MustCompile(`^[A-Z][A-Z_]+[A-Z]$`)
	exits := map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 9: true}
	for _, row := range Codes() {
		if !dotted.MatchString(string(row.Code)) || !snake.MatchString(row.WebStatus) || !exits[row.Exit] ||
			row.HTTP < 400 || row.HTTP > 599 || !strings.HasSuffix(row.Advice, ".") {
			t.Errorf("%+v", row)
		}
		if row.Class == Refused && row.HTTP >= 500 {
			t.Errorf("%s is the caller's fault but answers %d", row.Code, row.HTTP)
		}
		if got := row.Code.Retryable(); got != (row.Class == Transient || row.Class == Restart) {
			t.Errorf("%s retryable: %v", row.Code, got)
		}
	}
}

func TestCodesAreACopy(t *testing.T) {
	Codes()[0].Advice = "changed"
	if Codes()[0].Advice == "changed" {
		t.Fatal("the table can be changed from outside")
	}
}

func TestUnknownCodeIsAnInternalError(t *testing.T) {
	info := Code("newer.version").Info()
	if info.Code != "newer.version" || info.Class != Permanent || info.Exit != 1 {
		t.Fatalf("%+v", info)
	}
}

func TestWebErrorStatus(t *testing.T) {
	expired := x509.CertificateInvalidError{Reason: x509.Expired}
	for _, tc := range []struct {
		err  Error
		want string
	}{
		{Error{Code: CodeStatus, Status: 404}, "NOT_FOUND"},
		{Error{Code: CodeStatus, Status: 403}, "FORBIDDEN"},
		{Error{Code: CodeStatusRetry, Status: 503}, "SERVICE_UNAVAILABLE"},
		{Error{Code: CodeStatusRetry, Status: 429}, "UNEXPECTED_CLIENT_ERROR"},
		{Error{Code: CodeStatusRetry, Status: 599}, "UNEXPECTED_SERVER_ERROR"},
		{Error{Code: CodeStatus, Status: 308}, "UNEXPECTED_REDIRECTION"},
		{Error{Code: CodeStatus, Status: 204}, "UNEXPECTED_STATUS_CODE"},
		{Error{Code: CodeRange, Status: 416}, "REQUESTED_RANGE_NOT_SATISFIABLE"},
		{Error{Code: CodeStatus}, "UNEXPECTED_STATUS_CODE"},
		{Error{Code: CodeTLSVerify, Err: fmt.Errorf("get: %w", expired)}, "CERTIFICATE_EXPIRED"},
		{Error{Code: CodeTLSVerify, Err: x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}}, "CERTIFICATE_CONTAINS_ERRORS"},
		{Error{Code: CodeTLSVerify, Err: x509.HostnameError{Host: "h", Certificate: &x509.Certificate{}}}, "CERTIFICATE_COMMON_NAME_IS_INCORRECT"},
		{Error{Code: CodeTLSVerify, Err: errors.New("unknown authority")}, "CERTIFICATE_IS_INVALID"},
		{Error{Code: CodeDowngrade}, "HTTPS_TO_HTTP_ON_REDIRECTION"},
		{Error{Code: CodeDNS}, "HOST_NAME_NOT_RESOLVED"},
		{Error{Code: CodeReset}, "CONNECTION_RESET"},
		{Error{Code: "newer.version"}, "UNKNOWN"},
	} {
		if got := tc.err.WebErrorStatus(); got != tc.want {
			t.Errorf("%s with status %d: %s, want %s", tc.err.Code, tc.err.Status, got, tc.want)
		}
	}
}

func TestBackoffStaysInItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		failures := rapid.IntRange(-1, 2000).Draw(t, "failures")
		random := rapid.Float64Range(0, 0.999999).Draw(t, "random")
		got := Backoff(failures, random)
		if got < 100*time.Millisecond || got > 5*time.Minute {
			t.Fatalf("%v after %d failures", got, failures)
		}
		if more := Backoff(failures+1, random); more < got {
			t.Fatalf("%v after %d failures, but %v after one more", got, failures, more)
		}
	})
}

func TestBackoffDoublesToFiveMinutes(t *testing.T) {
	const almostOne = 0.9999999
	for failures, want := range map[int]time.Duration{0: 1, 1: 1, 2: 2, 3: 4, 9: 256, 10: 300, 1000: 300} {
		if got := Backoff(failures, almostOne).Round(time.Millisecond); got != want*time.Second {
			t.Errorf("at most %v after %d failures, want %v", got, failures, want*time.Second)
		}
	}
}
