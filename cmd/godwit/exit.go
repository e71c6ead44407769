package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"godwit/client"
	"godwit/node"
	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// Exit codes that no code of the transfer package leads to.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitMissing     = 4
	exitConflict    = 5
	exitUnreachable = 6
	exitSome        = 7
	exitChecksum    = 9
	exitTimedOut    = 10
	exitInterrupted = 130
)

// Codes of failures that only the command line has.
const (
	codeUsage       = "usage.invalid"
	codeFile        = "file.unreadable"
	codeFileExists  = "file.exists"
	codeUnwritable  = "file.unwritable"
	codeSome        = "transfer.some_failed"
	codeTimedOut    = "wait.timeout"
	codeInterrupted = "wait.interrupted"
)

// failure is an error made by a command itself.
type failure struct {
	code    string
	message string
	// advice is what may be done, "" for what the code advises.
	advice string
	err    error
}

func (f *failure) Error() string { return f.message }
func (f *failure) Unwrap() error { return f.err }

// usagef makes the error of a command line that cannot be meant.
func usagef(format string, args ...any) error {
	return &failure{code: codeUsage, message: fmt.Sprintf(format, args...)}
}

// exitOf derives the exit code from a stable code.
func exitOf(code string) int {
	switch code {
	case codeUsage, codeFile, client.CodeInvalid:
		return exitUsage
	case codeFileExists, codeNotEmpty, codeInUse:
		return exitConflict
	case codeUnwritable, codeDamaged:
		return exitFailed
	case codeCopy:
		return exitChecksum
	case codeNoState:
		return exitMissing
	case codeSome:
		return exitSome
	case codeTimedOut:
		return exitTimedOut
	case codeInterrupted, client.CodeInterrupted:
		return exitInterrupted
	case client.CodeUnreachable, client.CodeIncompatible:
		return exitUnreachable
	case client.CodeNotReady:
		return exitFailed
	}
	return transfer.Code(code).Info().Exit
}

// adviceFor says what a person may do, or "".
func adviceFor(code string) string {
	switch code {
	case codeUsage, codeFile, codeFileExists, codeUnwritable, codeDamaged, codeCopy, codeNotEmpty, codeInUse, codeNoState, codeSome, codeTimedOut, codeInterrupted, codeDemo, codeDoctor, client.CodeInvalid, client.CodeInterrupted, client.CodeCanceled:
		return ""
	case client.CodeUnreachable:
		return "Check that the server runs and that its address is right: host, port, and http:// or https://."
	case client.CodeNotReady:
		return "A node that starts or stops is ready soon or gone; one that drains is until 'godwit node uncordon'."
	case client.CodeAuth:
		return "Name a file that holds a token of this server with --api-token-file, and a certificate with --tls-cert and --tls-key where it asks for one."
	case client.CodeIncompatible:
		return "Check the address: what answers there is no godwit, or another version."
	}
	return transfer.Code(code).Info().Advice
}

// adviceOf is adviceFor the code, unless the error itself allows better.
func adviceOf(err error, m *pb.Error) string {
	if own := (*failure)(nil); errors.As(err, &own) && own.advice != "" {
		return own.advice
	}
	if better := (*advised)(nil); errors.As(err, &better) {
		return better.advice
	}
	if m.GetCode() == client.CodeUnreachable && strings.Contains(m.GetMessage(), "certificate required") {
		return "The server asks for a certificate: name yours with --tls-cert and --tls-key."
	}
	if m.GetCode() == client.CodeUnreachable && strings.Contains(m.GetMessage(), "certificate") {
		return "Name the authority that the server's certificate comes from with --tls-ca."
	}
	return adviceFor(m.GetCode())
}

// describe brings any error of a command into the form of the API.
func describe(err error) *pb.Error {
	var own *failure
	var remote *client.Error
	var local *transfer.Error
	var config *node.ConfigError
	switch {
	case errors.Is(err, errTimedOut):
		return &pb.Error{Code: codeTimedOut, Message: errTimedOut.Error(), Retryable: true}
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return &pb.Error{Code: codeInterrupted, Message: errInterrupted.Error(), Retryable: true}
	case errors.As(err, &own):
		return &pb.Error{Code: own.code, Message: own.message}
	case errors.As(err, &remote):
		return &pb.Error{Code: remote.Code, Field: remote.Field, Message: remote.Message, Retryable: remote.Retryable}
	case errors.As(err, &local):
		return &pb.Error{Code: string(local.Code), Field: local.Field, Message: local.Message, Retryable: local.Code.Retryable()}
	case errors.As(err, &config):
		return &pb.Error{Code: codeUsage, Field: config.Key, Message: err.Error()}
	default:
		return &pb.Error{Code: client.CodeInternal, Message: err.Error()}
	}
}

// conclude writes the error, if there is one, and returns the exit code.
func (a *app) conclude(err error) int {
	if err == nil {
		return exitOK
	}
	m := describe(err)
	if a.format == formatJSON || asksForJSON(a.args, a.lookup) {
		fmt.Fprintln(a.stderr, compactJSON(m))
		return exitOf(m.GetCode())
	}
	a.printError(m, adviceOf(err, m))
	return exitOf(m.GetCode())
}

// printError is for people: message, code, and what may be done.
func (a *app) printError(m *pb.Error, advice string) {
	message := m.GetMessage()
	if message == "" {
		message = "failed"
	}
	fmt.Fprintf(a.stderr, "godwit: %s", printable(message))
	if m.GetCode() != codeUsage && m.GetCode() != codeInterrupted {
		fmt.Fprintf(a.stderr, " [%s]", printable(m.GetCode()))
	}
	fmt.Fprintln(a.stderr)
	if advice != "" && !strings.Contains(message, advice) {
		fmt.Fprintf(a.stderr, "  %s\n", advice)
	}
}

// asksForJSON looks at the raw arguments: a command line that could not be
// parsed still says how its error is wanted.
func asksForJSON(args []string, lookup func(string) (string, bool)) bool {
	for i, arg := range args {
		switch {
		case arg == "--":
			return false
		case arg == "-ojson", arg == "-o=json", arg == "--output=json":
			return true
		case (arg == "-o" || arg == "--output") && i+1 < len(args):
			return args[i+1] == "json"
		}
	}
	v, _ := lookup(variable("output"))
	return v == "json"
}
