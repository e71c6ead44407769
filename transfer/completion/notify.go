package completion

import (
	"godwit/transfer"
	"godwit/transfer/task"
)

// notifications are the tasks that tell the outcome. A set is a success when its
// policy is met and, unless a quorum is enough, nothing failed or was canceled.
func (m *machine) notifications() []Effect {
	err := m.memory.verdict.err
	success := err == nil && (m.Spec.Policy == Quorum || m.Completed == len(m.Members))
	facts := transfer.Notice{
		ID: m.Spec.ID, Status: string(m.outcome()), Total: len(m.Members),
		Completed: m.Completed, Failed: m.Failed, Canceled: m.Canceled,
	}
	if err != nil {
		facts.Error = string(err.Code)
	}
	var out []Effect
	for i, n := range m.Spec.Notifications {
		template := n.Failure
		if success {
			template = n.Success
		}
		// A text that was never checked is not sent.
		if text, err := facts.Render(template); err == nil && text != "" {
			out = append(out, Notify{Index: i, ID: NotificationID(m.Spec.ID, i), Spec: m.notification(n, text)})
		}
	}
	return out
}

func (m *machine) notification(n transfer.Notification, text string) task.Spec {
	spec := task.Spec{Kind: task.Notification, Text: text, Channel: n.Channel, Tag: n.Tag}
	if n.TTL > 0 {
		spec.Expires = m.now.Add(n.TTL)
	}
	return spec
}
