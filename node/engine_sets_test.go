package node

import (
	"errors"
	"testing"

	"godwit/endpoint"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/task"
)

func TestTasksThatWouldFailAreRefused(t *testing.T) {
	admitted := admission{policy: endpoint.ServerPolicy(nil, nil), roots: []string{"/srv"}}
	engine := &lateEngine{admit: admitted.check, admitWebhook: admitted.checkWebhook}
	submit := func(source, destination string) *task.Spec {
		return &task.Spec{Kind: task.Submit, Template: &transfer.Spec{Source: source, Destination: destination}}
	}
	for _, row := range []struct {
		spec  *task.Spec
		code  transfer.Code
		field string
	}{
		{nil, "", ""},
		{&task.Spec{Kind: task.Exec, Command: "index"}, "", ""},
		{&task.Spec{Kind: task.Webhook, URL: "https://hook.example/"}, "", ""},
		{&task.Spec{Kind: task.Webhook, URL: "http://127.0.0.1:80/"}, transfer.CodeURLScheme, "webhook.url"},
		{&task.Spec{Kind: task.Webhook, URL: "https://127.0.0.1/"}, transfer.CodeEgress, "webhook.url"},
		{submit("https://h/{name}", "file:///srv/{name}"), "", ""},
		{submit("https://10.0.0.1/{name}", "s3://bucket/{name}"), transfer.CodeEgress, "submit.transfer.source.url"},
		{submit("https://h/{name}", "file:///etc/{name}"), transfer.CodePathDenied, "submit.transfer.destination.url"},
	} {
		e := engine.admitTask(row.spec)
		if e == nil && row.code == "" {
			continue
		}
		if e == nil || e.Code != row.code || e.Field != row.field {
			t.Errorf("%+v: %v", row.spec, e)
		}
	}
}

func TestCallsAboutSetsWaitForTheSystem(t *testing.T) {
	e := &lateEngine{}
	if _, err := e.Completion(t.Context(), "c"); !errors.Is(err, errStarting) {
		t.Errorf("before there is a system: %v", err)
	}
	if _, _, err := e.CreateCompletion(t.Context(), completion.Spec{}); !errors.Is(err, errStarting) {
		t.Errorf("before there is a system: %v", err)
	}
}
