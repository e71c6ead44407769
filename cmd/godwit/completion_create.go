package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "godwit/protos/godwit/v1"
)

// maxSecretFile is more than any secret has, in bytes.
const maxSecretFile = 4 << 10

// completionCommand is one invocation of completion create.
type completionCommand struct {
	a                                 *app
	target                            target
	webhook, secretFile, exec, submit string
	policy                            string
	quorum                            int32
	deadline, autoEnable              string
	noStart                           bool
	labels, notify                    []string
}

func newCompletionCreate(a *app) *cobra.Command {
	c := &completionCommand{a: a}
	cmd := &cobra.Command{
		Use:   "create [ID]",
		Short: "Make a completion group and say what it triggers",
		Long: `Make a completion group. Transfers become members with 'godwit get
--completion-group ID' or 'godwit completion add', until it is enabled. When all
have ended it fires, once: it calls a webhook, runs a command that the nodes'
configuration names, or starts further transfers. Without a task it only waits.

Deliveries of a webhook are signed (Standard Webhooks). Without
--webhook-secret-file a secret is made and printed, in a line of its own, this
once.

A file for --submit is a transfer in JSON or YAML; one is made of each completed
member. Its source, destination, group and values of labels may hold {id}, {name},
{destination}, {group} and {task}.

--notify says what is told when the group has fired: a channel, a colon, the text
for success, a bar, the text for failure. Either text may be left out. The channel
log is always there.`,
		Example: `  godwit completion create release --webhook https://ci.example.com/hooks/godwit
  godwit completion create nightly --exec index --policy all-succeeded --deadline 24h
  godwit completion create --notify 'log:{total} files are there|{failed} of {total} failed'`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			want, err := c.request(args, time.Now())
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), c.target, func(s *session) error { return c.run(cmd.Context(), s, want) })
		},
	}
	c.addFlags(cmd)
	c.target.add(cmd)
	a.addOutput(cmd)
	return cmd
}

func (c *completionCommand) addFlags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&c.webhook, "webhook", "", "call this `URL` when the group fires")
	fs.StringVar(&c.secretFile, "webhook-secret-file", "", "`file` with the secret that signs deliveries, whsec_… (default: one is made)")
	fs.StringVar(&c.exec, "exec", "", "run the command with this `NAME` in the nodes' configuration")
	fs.StringVar(&c.submit, "submit", "", "`file` with a transfer to be started for each completed member, - for standard input")
	addWord(cmd, &c.policy, "policy", "", "when the group fires (default all-finished)", "all-finished", "all-succeeded", "quorum")
	fs.Int32Var(&c.quorum, "quorum", 0, "how many members must complete, for that policy")
	fs.StringVar(&c.deadline, "deadline", "", "cancel members that have not ended then: a `time` as in RFC 3339, or from now, such as 24h or 7d")
	fs.StringVar(&c.autoEnable, "auto-enable-after", "", "enable the group after this `time`, such as 1h, if nobody did")
	fs.BoolVar(&c.noStart, "no-start-on-enable", false, "leave idle members idle when the group is enabled")
	fs.StringArrayVar(&c.labels, "label", nil, "label `key=value` (repeat)")
	fs.StringArrayVar(&c.notify, "notify", nil, "message at the end, `'CHANNEL:SUCCESS|FAILURE'` (repeat)")
}

// request makes the group of the command line.
func (c *completionCommand) request(args []string, now time.Time) (*pb.CompletionGroup, error) {
	g := &pb.CompletionGroup{
		Exec: c.exec, Quorum: c.quorum,
		Policy: enum[pb.CompletionGroup_Policy](pb.CompletionGroup_Policy_value, c.policy),
	}
	if len(args) > 0 {
		g.Id = args[0]
	}
	if c.noStart {
		no := false
		g.StartOnEnable = &no
	}
	var err error
	if g.Labels, err = parseLabels(c.labels); err != nil {
		return nil, err
	}
	if g.Deadline, err = parseDeadline(c.deadline, now); err != nil {
		return nil, err
	}
	if c.autoEnable != "" {
		after, err := parseDuration(c.autoEnable)
		if err != nil {
			return nil, usagef("--auto-enable-after: %v", err)
		}
		g.AutoEnableAfter = durationpb.New(after)
	}
	if g.Notifications, err = parseNotifications(c.notify); err != nil {
		return nil, err
	}
	return g, c.addTask(g)
}

// addTask adds what has to be read from files.
func (c *completionCommand) addTask(g *pb.CompletionGroup) error {
	tasks := 0
	for _, given := range []string{c.webhook, c.exec, c.submit} {
		if given != "" {
			tasks++
		}
	}
	switch {
	case tasks > 1:
		return usagef("a group has one task: give --webhook, --exec or --submit")
	case c.secretFile != "" && c.webhook == "":
		return usagef("--webhook-secret-file belongs to --webhook")
	case c.webhook != "":
		g.Webhook = &pb.Webhook{Url: c.webhook}
		return c.addSecret(g.GetWebhook())
	case c.submit != "":
		template, err := readTransfer(c.submit, c.a.stdin)
		g.Submit = &pb.SubmitTemplate{Transfer: template}
		return err
	}
	return nil
}

// addSecret leaves it to the server to make one when no file is named. An empty
// file means no such thing.
func (c *completionCommand) addSecret(hook *pb.Webhook) (err error) {
	if c.secretFile == "" {
		return nil
	}
	hook.Secret, err = readSecret("--webhook-secret-file", c.secretFile)
	if err == nil && hook.GetSecret() == "" {
		err = usagef("--webhook-secret-file: the file is empty")
	}
	return err
}

// readSecret reads a file whose only line is a secret.
func readSecret(flag, name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", unreadable(flag, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile))
	if err != nil {
		return "", unreadable(flag, err)
	}
	return strings.TrimSpace(string(content)), nil
}

// run makes the group. A secret that the server made is shown now or never.
func (c *completionCommand) run(ctx context.Context, s *session, want *pb.CompletionGroup) error {
	made, err := s.CreateCompletionGroup(ctx, want)
	if err != nil {
		return err
	}
	if err := c.a.printCompletion(made); err != nil {
		return err
	}
	if want.GetWebhook() == nil || want.GetWebhook().GetSecret() != "" || c.a.format != formatTable {
		return nil
	}
	if secret := made.GetWebhook().GetSecret(); secret != "" {
		fmt.Fprintln(c.a.stdout, printable(secret))
		fmt.Fprintln(c.a.stderr, "The last line is the secret that signs deliveries; it is not shown again.")
		return nil
	}
	fmt.Fprintln(c.a.stderr, "The group was there already; its secret was shown when it was made.")
	return nil
}

// parseDeadline reads a time, or how long there is from now on.
func parseDeadline(text string, now time.Time) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return timestamppb.New(at), nil
	}
	after, err := parseDuration(text)
	if err != nil {
		return nil, usagef("--deadline: %q is neither a time such as 2027-01-31T12:00:00Z nor one from now such as 24h or 7d", text)
	}
	return timestamppb.New(now.Add(after)), nil
}

// parseNotifications reads channels with their texts.
func parseNotifications(lines []string) ([]*pb.Notification, error) {
	var out []*pb.Notification
	for _, line := range lines {
		channel, texts, found := strings.Cut(line, ":")
		success, failure, _ := strings.Cut(texts, "|")
		success, failure = strings.TrimSpace(success), strings.TrimSpace(failure)
		if !found || channel == "" || success == "" && failure == "" {
			return nil, usagef("a notification is written 'CHANNEL:SUCCESS|FAILURE' with at least one text, not %q", line)
		}
		out = append(out, &pb.Notification{Channel: strings.TrimSpace(channel), Success: success, Failure: failure})
	}
	return out, nil
}
