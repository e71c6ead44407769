package actors

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
	"godwit/transfer/task"
)

// announce makes a task of each notification: that is repeated until somebody
// has taken it, whatever becomes of this node.
func (t *transferActor) announce(ctx actor.Context) {
	life, system := t.life, t.system
	tasks := announcements(&t.state)
	t.spawn(ctx, func(c context.Context) any {
		for i := range tasks {
			if err := system.createTask(c, &tasks[i]); err != nil {
				t.cfg.Logger.WarnContext(c, "notification not sent", slog.String("transfer", t.id), slog.Any("error", err))
			}
		}
		if c.Err() != nil {
			return nil
		}
		return &happened{life: life, event: transfer.Announced{}}
	})
}

// announcements are the tasks that tell how a transfer stands. Their ids follow
// from what is told, so that a second owner tells nothing twice.
func announcements(s *transfer.State) []task.State {
	var out []task.State
	notice, success := s.Notice()
	for i, n := range s.Spec.Notifications {
		template := n.Failure
		if success {
			template = n.Success
		}
		text, err := notice.Render(template)
		if err != nil || text == "" {
			continue
		}
		spec := task.Spec{Kind: task.Notification, Text: text, Channel: n.Channel, Tag: n.Tag}
		if n.TTL > 0 {
			spec.Expires = s.Updated.Add(n.TTL).UTC()
		}
		out = append(out, task.State{ID: announcementID(s, i), Spec: spec, Transfer: s.Spec.ID})
	}
	return out
}

func announcementID(s *transfer.State, index int) string {
	sum := sha256.Sum256([]byte(s.Spec.ID + "\x00" + s.Phase.Status() + "\x00" + s.Finished.UTC().Format(time.RFC3339Nano) + "\x00" +
		s.AttentionDeadline.UTC().Format(time.RFC3339Nano)))
	digest := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16])
	return fmt.Sprintf("note%d_%s", index, strings.ToLower(digest))
}
