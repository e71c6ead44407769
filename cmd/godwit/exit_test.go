package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"godwit/client"
	"godwit/transfer"
)

func TestExitCodes(t *testing.T) {
	for want, errs := range map[int][]error{
		0:   {nil},
		1:   {&client.Error{Code: "http.status"}, &client.Error{Code: client.CodeCanceled}, &client.Error{Code: "code.of_the_future"}, errors.New("disk")},
		2:   {usagef("x"), &client.Error{Code: client.CodeInvalid}, transfer.Errorf(transfer.CodeURLScheme, "x")},
		3:   {&client.Error{Code: client.CodeAuth}, &client.Error{Code: "egress.denied"}},
		4:   {&client.Error{Code: "transfer.not_found"}},
		5:   {&client.Error{Code: "dest.exists"}, fmt.Errorf("wrapped: %w", transfer.Errorf(transfer.CodeIDConflict, "x"))},
		6:   {&client.Error{Code: client.CodeUnreachable}, &client.Error{Code: client.CodeIncompatible}, &client.Error{Code: "server.stopping"}},
		7:   {&failure{code: codeSome}},
		9:   {&client.Error{Code: "checksum.mismatch"}},
		10:  {errTimedOut, &client.Error{Code: client.CodeInterrupted, Err: errTimedOut}},
		130: {errInterrupted, context.Canceled, &client.Error{Code: client.CodeInterrupted, Err: errInterrupted}},
	} {
		for _, err := range errs {
			a := &app{stderr: new(bytes.Buffer), lookup: environment(nil)}
			if got := a.conclude(err); got != want {
				t.Errorf("%v: exit %d, want %d", err, got, want)
			}
		}
	}
}

func TestErrorsAsJSON(t *testing.T) {
	for _, args := range [][]string{{"get", "-o", "json"}, {"get", "-ojson"}, {"get", "--nonsense", "--output=json"}} {
		var out bytes.Buffer
		a := &app{stderr: &out, lookup: environment(nil), args: args}
		a.conclude(&client.Error{Code: "url.scheme", Field: "source", Message: "no"})
		var got map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || got["code"] != "url.scheme" || got["field"] != "source" || got["retryable"] != false {
			t.Errorf("%q: %s, %v", args, out.String(), err)
		}
	}
	if asksForJSON([]string{"get", "--", "-ojson"}, environment(nil)) || asksForJSON([]string{"-o", "yaml"}, environment(nil)) ||
		!asksForJSON(nil, environment(map[string]string{"GODWIT_OUTPUT": "json"})) {
		t.Error("asksForJSON")
	}
}

// Every code has its exit in the table, and those of the contract are all used.
func TestEveryCodeHasAnExit(t *testing.T) {
	used := map[int]bool{}
	for _, info := range transfer.Codes() {
		exit := exitOf(string(info.Code))
		if exit != info.Exit || exit == 0 {
			t.Errorf("%s: exit %d, table %d", info.Code, exit, info.Exit)
		}
		used[exit] = true
	}
	for _, exit := range []int{1, 2, 3, 4, 5, 6, 9} {
		if !used[exit] {
			t.Errorf("no code leads to exit %d", exit)
		}
	}
}
