package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// TestBadSets sends what must be refused about groups and tasks: nothing may
// reach the sets, and no answer may repeat a value.
func TestBadSets(t *testing.T) {
	completion := func(fields string) string { return `{"completionGroup":{` + fields + `}}` }
	submit := func(fields string) string {
		return completion(`"id":"c1","submit":{"transfer":{"source":{"url":"https://h/{name}"},"destination":{"url":"file:///srv/{name}"},` + fields + `}}`)
	}
	ids := make([]string, 100_001)
	for i := range ids {
		ids[i] = fmt.Sprint("t", i)
	}
	many, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	const (
		create = "CompletionService/CreateCompletionGroup"
		group  = "GroupService/CreateGroup"
	)
	rows := []struct {
		name, method, body string
		code               transfer.Code
		field              string
	}{
		// Ids and names.
		{"group missing", group, `{}`, transfer.CodeJSON, "group"},
		{"group without a name", group, `{"group":{}}`, transfer.CodeID, "group.name"},
		{"group a/b", group, `{"group":{"name":"a/b"}}`, transfer.CodeID, "group.name"},
		{"group of 129", group, `{"group":{"name":"` + strings.Repeat("a", 129) + `"}}`, transfer.CodeID, "group.name"},
		{"get group ..", "GroupService/GetGroup", `{"name":".."}`, transfer.CodeID, "name"},
		{"delete nothing", "GroupService/DeleteGroup", `{}`, transfer.CodeID, "name"},
		{"completion missing", create, `{}`, transfer.CodeJSON, "completionGroup"},
		{"completion with dot", create, completion(`"id":"a.b"`), transfer.CodeID, "completionGroup.id"},
		{"get completion", "CompletionService/GetCompletionGroup", `{"id":"a.b"}`, transfer.CodeID, "id"},
		{"delete completion", "CompletionService/DeleteCompletionGroup", `{"id":"%2f"}`, transfer.CodeID, "id"},
		{"enable nothing", "CompletionService/EnableCompletionGroup", `{}`, transfer.CodeID, "id"},
		{"get task", "TaskService/GetTask", `{"id":"ü"}`, transfer.CodeID, "id"},
		{"redeliver nothing", "TaskService/RedeliverTask", `{}`, transfer.CodeID, "id"},

		// Fields that only the server sets.
		{"paused", group, `{"group":{"name":"g","paused":true}}`, transfer.CodeField, "group.paused"},
		{"members", group, `{"group":{"name":"g","members":{}}}`, transfer.CodeField, "group.members"},
		{"enabled", create, completion(`"enabled":true`), transfer.CodeField, "completionGroup.enabled"},
		{"status", create, completion(`"status":"DONE"`), transfer.CodeField, "completionGroup.status"},
		{"parent", create, completion(`"parent":"CANARY"`), transfer.CodeField, "completionGroup.parent"},
		{"create time", create, completion(`"createTime":"2026-01-01T00:00:00Z"`), transfer.CodeField, "completionGroup.createTime"},

		// Values.
		{"limit -1", group, `{"group":{"name":"g","limit":-1}}`, transfer.CodeLimit, "group.limit"},
		{"limit many", group, `{"group":{"name":"g","limit":"CANARY"}}`, transfer.CodeLimit, "group.limit"},
		{"new limit -1", "GroupService/UpdateGroup", `{"name":"g","limit":-1}`, transfer.CodeLimit, "limit"},
		{"behavior", group, `{"group":{"name":"g","behavior":"CANARY"}}`, transfer.CodeEnum, "group.behavior"},
		{"policy", create, completion(`"policy":"CANARY"`), transfer.CodeEnum, "completionGroup.policy"},
		{"quorum of none", create, completion(`"policy":"QUORUM"`), transfer.CodePolicy, "completionGroup.quorum"},
		{"quorum without policy", create, completion(`"quorum":1`), transfer.CodePolicy, "completionGroup.quorum"},
		{"quorum -1", create, completion(`"policy":"QUORUM","quorum":-1`), transfer.CodePolicy, "completionGroup.quorum"},
		{"deadline in the past", create, completion(`"deadline":"2001-01-01T00:00:00Z"`), transfer.CodeDuration, "completionGroup.deadline"},
		{"deadline", create, completion(`"deadline":"CANARY"`), transfer.CodeJSON, "completionGroup.deadline"},
		{"duration as a word", create, completion(`"autoEnableAfter":"CANARY"`), transfer.CodeDuration, "completionGroup.autoEnableAfter"},
		{"duration as a number", create, completion(`"autoEnableAfter":60`), transfer.CodeDuration, "completionGroup.autoEnableAfter"},
		{"duration in Go's way", create, completion(`"autoEnableAfter":"1h0m0s"`), transfer.CodeDuration, "completionGroup.autoEnableAfter"},
		{"duration of a thousand years", create, completion(`"autoEnableAfter":"31557600000s"`), transfer.CodeDuration, "completionGroup.autoEnableAfter"},
		{"duration -1", create, completion(`"autoEnableAfter":"-1s"`), transfer.CodeDuration, "completionGroup.autoEnableAfter"},
		{"ttl", create, completion(`"notifications":[{"channel":"log","ttl":"x"}]`), transfer.CodeDuration, "completionGroup.notifications[0].ttl"},

		// Tasks.
		{"two tasks", create, completion(`"webhook":{"url":"https://CANARY/"},"exec":"notify"`), transfer.CodeField, "completionGroup.exec"},
		{"three tasks", create, completion(`"webhook":{"url":"https://CANARY/"},"submit":{}`), transfer.CodeField, "completionGroup.submit"},
		{"unknown command", create, completion(`"exec":"CANARY"`), transfer.CodeCommand, "completionGroup.exec"},
		{"path as command", create, completion(`"exec":"/bin/CANARY"`), transfer.CodeCommand, "completionGroup.exec"},
		{"unknown channel", create, completion(`"notifications":[{"channel":"log"},{"channel":"CANARY"}]`), transfer.CodeChannel, "completionGroup.notifications[1].channel"},
		{"webhook without URL", create, completion(`"webhook":{}`), transfer.CodeURLEmpty, "completionGroup.webhook.url"},
		{"webhook of another scheme", create, completion(`"webhook":{"url":"file:///CANARY"}`), transfer.CodeURLScheme, "completionGroup.webhook.url"},
		{"short secret", create, completion(`"webhook":{"url":"https://h/","secret":"whsec_CANARY"}`), transfer.CodeSecret, "completionGroup.webhook.secret"},
		{"submit of nothing", create, completion(`"submit":{}`), transfer.CodeJSON, "completionGroup.submit.transfer"},
		{"submit with an id", create, submit(`"id":"x"`), transfer.CodeTemplate, "completionGroup.submit.transfer.id"},
		{"submit into itself", create, submit(`"completionGroup":"c1"`), transfer.CodeMembers, "completionGroup.submit.transfer.completionGroup"},
		{"submit into itself by variable", create, submit(`"completionGroup":"{group}"`), transfer.CodeMembers, "completionGroup.submit.transfer.completionGroup"},
		{"submit of an unknown variable", create, submit(`"labels":{"a":"{CANARY}"}`), transfer.CodeTemplate, "completionGroup.submit.transfer.labels"},
		{"submit of a lone brace", create, strings.Replace(submit(`"priority":"LOW"`), "srv/{name}", "srv/{name", 1), transfer.CodeTemplate, "completionGroup.submit.transfer.destination.url"},
		{"submit of a bad transfer", create, submit(`"connections":1000`), transfer.CodeConnections, "completionGroup.submit.transfer.connections"},
		{"submit of a done transfer", create, submit(`"status":"COMPLETED"`), transfer.CodeField, "completionGroup.submit.transfer.status"},
		{"submit of a bad scheme", create, strings.Replace(submit(`"priority":"LOW"`), "https:", "gopher:", 1), transfer.CodeURLScheme, "completionGroup.submit.transfer.source.url"},

		// Members.
		{"no members", "CompletionService/AddTransfers", `{"id":"c1"}`, transfer.CodeMembers, "transfers"},
		{"100 001 members", "CompletionService/AddTransfers", `{"id":"c1","transfers":` + string(many) + `}`, transfer.CodeMembers, "transfers"},
		{"member a/b", "CompletionService/AddTransfers", `{"id":"c1","transfers":["a","a/b"]}`, transfer.CodeID, "transfers"},
		{"move nothing", "GroupService/MoveTransfer", `{"name":"g"}`, transfer.CodeID, "id"},
		{"move nowhere", "GroupService/MoveTransfer", `{"name":"g","id":"a"}`, transfer.CodeEnum, "where"},
		{"move before nothing", "GroupService/MoveTransfer", `{"name":"g","id":"a","where":"BEFORE"}`, transfer.CodeID, "other"},
		{"move before itself", "GroupService/MoveTransfer", `{"name":"g","id":"a","where":"BEFORE","other":"a"}`, transfer.CodeMembers, "other"},
		{"move first of another", "GroupService/MoveTransfer", `{"name":"g","id":"a","where":"FIRST","other":"b"}`, transfer.CodeField, "other"},

		// Lists.
		{"page size -1", "GroupService/ListGroups", `{"pageSize":-1}`, transfer.CodePageSize, "pageSize"},
		{"page size 10^9", "CompletionService/ListCompletionGroups", `{"pageSize":1000000000}`, transfer.CodePageSize, "pageSize"},
		{"page token", "TaskService/ListTasks", `{"pageToken":"CANARY"}`, transfer.CodePageToken, "pageToken"},
		{"no status", "TaskService/ListTasks", `{"statuses":["STATUS_UNSPECIFIED"]}`, transfer.CodeFilter, "statuses"},
		{"unknown status", "CompletionService/ListCompletionGroups", `{"statuses":["CANARY"]}`, transfer.CodeEnum, "statuses[0]"},
		{"sort", "GroupService/ListGroups", `{"sort":"CANARY"}`, transfer.CodeJSON, "sort"},

		// JSON.
		{"unknown field", create, completion(`"x":"CANARY"`), transfer.CodeJSON, "completionGroup.x"},
		{"duplicate key", create, completion(`"exec":"a","exec":"b"`), transfer.CodeJSON, "completionGroup.exec"},
		{"trailing bytes", "GroupService/ListGroups", `{}x`, transfer.CodeJSON, ""},
		{"array", "TaskService/ListTasks", `[]`, transfer.CodeJSON, ""},
	}
	a := startAPI(t, nil)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			status, answer := a.post(t, row.method, row.body)
			if strings.Contains(answer, "CANARY") {
				t.Errorf("the answer repeats a value: %s", answer)
			}
			wantFailure(t, status, answer, row.code.Info().HTTP, row.code, row.field)
		})
	}
	if a.sets.creates != 0 {
		t.Errorf("%d bad requests reached the sets", a.sets.creates)
	}
}

func TestNodeWithoutCommandsAndChannels(t *testing.T) {
	a := startAPI(t, func(c *Config) { c.Commands, c.Channels = nil, nil })
	status, body := a.post(t, "CompletionService/CreateCompletionGroup", `{"completionGroup":{"exec":"notify"}}`)
	wantFailure(t, status, body, 403, transfer.CodeCommand, "completionGroup.exec")
	status, body = a.post(t, "CompletionService/CreateCompletionGroup", `{"completionGroup":{"notifications":[{"channel":"ops"}]}}`)
	wantFailure(t, status, body, 400, transfer.CodeChannel, "completionGroup.notifications[0].channel")
	if status, body := a.post(t, "CompletionService/CreateCompletionGroup", `{"completionGroup":{"notifications":[{"channel":"log","success":"done"}]}}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

// What cannot be written in JSON comes in binary messages.
func TestBinarySetsOutOfRange(t *testing.T) {
	s := &service{}
	for code, m := range map[transfer.Code]*pb.CompletionGroup{
		transfer.CodeEnum:     {Policy: 99},
		transfer.CodeDuration: {AutoEnableAfter: &durationpb.Duration{Seconds: 1 << 40}},
		transfer.CodeJSON:     {Deadline: &timestamppb.Timestamp{Nanos: -1}},
	} {
		if _, _, e := s.toCompletionSpec(m); e == nil || e.Code != code {
			t.Errorf("%s: %v", code, e)
		}
	}
	if _, e := toGroupSpec(&pb.Group{Name: "g", Behavior: 99}); e == nil || e.Code != transfer.CodeEnum {
		t.Errorf("%v", e)
	}
	if _, e := toGroupChange(&pb.UpdateGroupRequest{Behavior: 99}); e == nil || e.Code != transfer.CodeEnum {
		t.Errorf("%v", e)
	}
}
