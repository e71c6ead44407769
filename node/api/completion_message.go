package api

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/task"
)

// toCompletionSpec reads and checks what a user asks for. An empty id and an
// empty secret of a webhook are made; made is that secret, or "".
func (s *service) toCompletionSpec(m *pb.CompletionGroup) (spec completion.Spec, made string, e *transfer.Error) {
	if m == nil {
		return spec, "", jsonError("completionGroup", "is required")
	}
	if e := refuseOutputOnly(m, "completionGroup", "enabled", "status", "members", "task", "parent",
		"create_time", "enable_time", "finish_time", "etag", "error"); e != nil {
		return spec, "", e
	}
	if e := knownWord(m.GetPolicy(), "completionGroup.policy"); e != nil {
		return spec, "", e
	}
	spec = completion.Spec{
		ID: m.GetId(), Policy: completion.Policy(word(m.GetPolicy(), string(completion.AllFinished))),
		Quorum: int(m.GetQuorum()), Labels: m.GetLabels(),
		StartOnEnable: m.StartOnEnable == nil || m.GetStartOnEnable(),
	}
	if spec.ID == "" {
		spec.ID = ulid.Make().String()
	}
	if spec.Deadline, e = toTime(m.GetDeadline(), "completionGroup.deadline"); e != nil {
		return spec, "", e
	}
	if spec.AutoEnableAfter, e = toDuration(m.GetAutoEnableAfter(), "completionGroup.autoEnableAfter"); e != nil {
		return spec, "", e
	}
	if spec.Notifications, e = s.toNotifications(m.GetNotifications(), "completionGroup.notifications"); e != nil {
		return spec, "", e
	}
	if spec.Task, made, e = s.toTaskSpec(m, spec.ID); e != nil {
		return spec, "", e
	}
	spec, e = completion.Normalize(spec, time.Now())
	return spec, made, completionField(e)
}

// toTaskSpec reads the task of a group, nil for none.
func (s *service) toTaskSpec(m *pb.CompletionGroup, group string) (*task.Spec, string, *transfer.Error) {
	if e := oneTask(m); e != nil {
		return nil, "", e
	}
	var spec task.Spec
	made := ""
	switch {
	case m.GetWebhook() != nil:
		spec = task.Spec{Kind: task.Webhook, URL: m.GetWebhook().GetUrl(), Secret: m.GetWebhook().GetSecret()}
		if spec.Secret == "" {
			made = newSecret()
			spec.Secret = made
		}
	case m.GetExec() != "":
		if s.commands == nil || !s.commands(m.GetExec()) {
			return nil, "", &transfer.Error{
				Code: transfer.CodeCommand, Field: "completionGroup.exec",
				Message: "this node's configuration names no such command",
			}
		}
		spec = task.Spec{Kind: task.Exec, Command: m.GetExec()}
	case m.GetSubmit() != nil:
		template, e := toTemplate(m.GetSubmit().GetTransfer(), group)
		if e != nil {
			return nil, "", e
		}
		spec = task.Spec{Kind: task.Submit, Template: template}
	default:
		return nil, "", nil
	}
	spec, e := task.Normalize(spec)
	return &spec, made, taskField(e)
}

// taskField names a field of a task as a request calls it.
func taskField(e *transfer.Error) *transfer.Error {
	if e == nil {
		return nil
	}
	named := *e
	if strings.HasPrefix(e.Field, "webhook") || strings.HasPrefix(e.Field, "exec") || e.Field == "submit.transfer" {
		named.Field = "completionGroup." + e.Field
		return &named
	}
	named.Field = strings.TrimPrefix(e.Field, "submit.transfer.")
	return withField(&named, templateParent)
}

// oneTask refuses a second task; the field is the one that is too much.
func oneTask(m *pb.CompletionGroup) *transfer.Error {
	field := ""
	switch {
	case m.GetWebhook() != nil && m.GetExec() != "":
		field = "exec"
	case m.GetSubmit() != nil && (m.GetWebhook() != nil || m.GetExec() != ""):
		field = "submit"
	default:
		return nil
	}
	return &transfer.Error{
		Code: transfer.CodeField, Field: "completionGroup." + field,
		Message: "a group has one task: webhook, exec or submit",
	}
}

// secretSize is how many random bytes a secret of ours has.
const secretSize = 32

// newSecret makes a key as Standard Webhooks writes it.
func newSecret() string {
	key := make([]byte, secretSize)
	_, _ = rand.Read(key) // it never fails
	return task.NewSecret(key)
}

// completionField names a field as a request to create a completion group calls
// it.
func completionField(e *transfer.Error) *transfer.Error {
	return fieldOf(e, (*pb.CompletionGroup)(nil), "completionGroup", nil)
}

// toCompletion shows a completion group to users. The secret of its webhook is
// left out, URLs lose what may be secret.
func toCompletion(c actors.Completion) *pb.CompletionGroup {
	st, spec := &c.State, &c.State.Spec
	m := &pb.CompletionGroup{
		Id:      spec.ID,
		Enabled: st.Phase != completion.PhaseOpen,
		Status:  enumValue[pb.CompletionGroup_Status](pb.CompletionGroup_Status_value, string(st.Phase)),
		Members: &pb.CompletionMembers{
			Total: int32(c.Total), Completed: int32(c.Completed), Failed: int32(c.Failed), Canceled: int32(c.Canceled),
			WaitingOn: c.WaitingOn,
		},
		Policy:          enumValue[pb.CompletionGroup_Policy](pb.CompletionGroup_Policy_value, string(spec.Policy)),
		Quorum:          int32(spec.Quorum),
		Deadline:        moment(spec.Deadline),
		AutoEnableAfter: span(spec.AutoEnableAfter),
		StartOnEnable:   &spec.StartOnEnable,
		Labels:          spec.Labels,
		Parent:          spec.Parent,
		CreateTime:      moment(st.Created),
		EnableTime:      moment(st.Enabled),
		FinishTime:      moment(st.Finished),
		Etag:            c.ETag,
		Notifications:   fromNotifications(spec.Notifications),
	}
	if st.Err != nil {
		m.Error = errorMessage(st.Err)
	}
	if c.Task != nil {
		m.Task = &pb.TaskSummary{
			Id: c.Task.State.ID, Status: taskStatus(c.Task.State.Phase), Attempts: int32(c.Task.State.Attempts),
		}
	}
	showTask(m, spec.Task)
	return m
}

// showTask fills in which of the three the group's task is.
func showTask(m *pb.CompletionGroup, spec *task.Spec) {
	if spec == nil {
		return
	}
	switch spec.Kind {
	case task.Webhook:
		m.Webhook = &pb.Webhook{Url: transfer.RedactURL(spec.URL)}
	case task.Exec:
		m.Exec = spec.Command
	case task.Submit:
		m.Submit = &pb.SubmitTemplate{Transfer: fromTemplate(spec.Template)}
	}
}
