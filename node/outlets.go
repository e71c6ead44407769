package node

import (
	"context"
	"encoding/json"
	"time"

	"godwit/actors"
	"godwit/endpoint"
	"godwit/node/api"
	"godwit/node/command"
	"godwit/transfer"
	"godwit/transfer/task"
)

// outlets are what background tasks of this node act on: receivers, commands and
// channels of its configuration.
type outlets struct {
	webhooks *endpoint.Webhooks
	commands *command.Runner
	channels map[string]transfer.Webhook
}

func (n *Node) openOutlets() (err error) {
	n.outlets.webhooks = n.webhooks
	if n.outlets.commands, err = command.New(n.cfg.Commands); err != nil {
		return commandError(err)
	}
	n.outlets.channels, err = n.cfg.loadChannels()
	return err
}

func (o *outlets) hasChannel(name string) bool {
	_, ok := o.channels[name]
	return ok
}

// forTasks is how the actors see them. Cluster names the source of events.
func (o *outlets) forTasks(cluster string) actors.Outlets {
	return actors.Outlets{
		Deliver: o.webhooks.Deliver,
		Run:     o.run,
		Channel: func(name string) (transfer.Webhook, bool) {
			hook, ok := o.channels[name]
			return hook, ok
		},
		Finished: func(id string, at time.Time, c *actors.Completion, members []actors.Snapshot) ([]byte, error) {
			data, err := api.Finished(*c, members)
			if err != nil {
				return nil, err
			}
			return endpoint.Event{
				Type: endpoint.EventCompletionFinished, ID: id, Cluster: cluster, Subject: c.State.Spec.ID, Time: at, Data: data,
			}.Marshal()
		},
		Notice: func(id string, at time.Time, t *task.State) ([]byte, error) {
			return notice(id, cluster, at, t)
		},
	}
}

func (o *outlets) run(ctx context.Context, name string, stdin []byte, taskID string, attempt int) actors.CommandResult {
	r := o.commands.Run(ctx, command.Request{Name: name, Task: taskID, Attempt: attempt, Input: stdin})
	return actors.CommandResult{Exit: r.Exit, HasExit: r.HasExit, Output: r.Output, Err: r.Err}
}

// notice is the event of a notification: a text for people, with the tag that
// replaces earlier ones and the time at which it loses its interest.
func notice(id, cluster string, at time.Time, t *task.State) ([]byte, error) {
	data := struct {
		Text            string     `json:"text"`
		Tag             string     `json:"tag,omitempty"`
		Expires         *time.Time `json:"expires,omitempty"`
		CompletionGroup string     `json:"completionGroup,omitempty"`
		Transfer        string     `json:"transfer,omitempty"`
	}{Text: t.Spec.Text, Tag: t.Spec.Tag, CompletionGroup: t.CompletionGroup, Transfer: t.Transfer}
	if !t.Spec.Expires.IsZero() {
		data.Expires = &t.Spec.Expires
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	subject := t.CompletionGroup
	if subject == "" {
		subject = t.Transfer
	}
	return endpoint.Event{Type: endpoint.EventNotification, ID: id, Cluster: cluster, Subject: subject, Time: at, Data: raw}.Marshal()
}
