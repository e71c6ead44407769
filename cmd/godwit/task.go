package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	pb "godwit/protos/godwit/v1"
)

func newTask(a *app) *cobra.Command {
	return group("task", "Look at background tasks, which completion groups trigger, and deliver them again",
		`  godwit task ls --status dead-letter
  godwit task redeliver ID`,
		newTaskLs(a),
		newVerbOn(a, verbOn[*pb.Task]{
			use: "show ID", short: "Show a task and its last attempts",
			example: "  godwit task show ID", do: (*session).Task,
			print: func(t *pb.Task) error { return a.print(t, func(w io.Writer) { taskDetails(w, t, time.Now()) }) },
		}),
		newVerbOn(a, verbOn[*pb.Task]{
			use: "redeliver ID", short: "Deliver a task that has succeeded or was given up once more",
			example: "  godwit task redeliver ID", do: (*session).RedeliverTask,
			print: func(t *pb.Task) error {
				return a.print(t, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", printable(t.GetId()), taskSentence(t, time.Now())) })
			},
		}),
	)
}

func newTaskLs(a *app) *cobra.Command {
	var t target
	var words []string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List background tasks by id",
		Example: `  godwit task ls --status pending,dead-letter`,
		Args:    arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var statuses []pb.Task_Status
			for _, word := range words {
				status := enum[pb.Task_Status](pb.Task_Status_value, word)
				if status == pb.Task_STATUS_UNSPECIFIED {
					return usagef("there is no status %q; there are pending, running, succeeded and dead-letter", word)
				}
				statuses = append(statuses, status)
			}
			return a.with(cmd.Context(), t, func(s *session) error {
				list := &pb.ListTasksResponse{}
				for t, err := range s.Tasks(cmd.Context(), statuses...) {
					if err != nil {
						return err
					}
					list.Tasks = append(list.Tasks, t)
				}
				return a.print(list, func(w io.Writer) { a.taskTable(w, list.GetTasks(), time.Now()) })
			})
		},
	}
	cmd.Flags().StringSliceVar(&words, "status", nil, "only those with this `status` (repeat)")
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}

func (a *app) taskTable(w io.Writer, tasks []*pb.Task, now time.Time) {
	tb := &table{}
	if a.colored(w) {
		tb.paint = paintSet
	}
	tb.add("ID", "STATUS", "KIND", "TRIGGER", "ATTEMPTS", "AGE", "TARGET")
	for _, t := range tasks {
		tb.add(t.GetId(), lowered(t.GetStatus()), lowered(t.GetKind()), orDash(t.GetCompletionGroup()+t.GetTransfer()),
			fmt.Sprint(t.GetAttempts()), orDash(age(t.GetCreateTime(), now)), orDash(t.GetTarget()))
	}
	tb.write(w)
}

// lowered is how the value of an enumeration is written for people and in flags.
func lowered(v fmt.Stringer) string {
	return strings.ToLower(strings.ReplaceAll(v.String(), "_", "-"))
}

// paintSet colours what needs eyes: red has ended badly, green well.
func paintSet(column int, text string) string {
	if column != statusColumn {
		return text
	}
	switch strings.TrimSpace(text) {
	case "failed", "dead-letter":
		return red(text)
	case "done", "succeeded":
		return green(text)
	}
	return text
}

// taskSentence is the state of a task in one line.
func taskSentence(t *pb.Task, now time.Time) string {
	parts := []string{lowered(t.GetStatus())}
	if e := t.GetError(); e.GetCode() != "" {
		parts = append(parts, errorText(e))
	}
	if next := t.GetNextAttemptTime(); next != nil && next.AsTime().After(now) {
		parts = append(parts, "next try in "+shortDuration(next.AsTime().Sub(now)))
	}
	return strings.Join(parts, ", ")
}

// errorText is an error in a few words, "" for none.
func errorText(e *pb.Error) string {
	if e.GetCode() == "" {
		return ""
	}
	return printable(e.GetMessage() + " [" + e.GetCode() + "]")
}

// taskDetails describes a task in full, its last attempts at the end.
func taskDetails(w io.Writer, t *pb.Task, now time.Time) {
	rows := [][2]string{
		{"id", t.GetId()},
		{"status", taskSentence(t, now)},
		{"kind", lowered(t.GetKind())},
		{"target", t.GetTarget()},
		{"completion group", t.GetCompletionGroup()},
		{"transfer", t.GetTransfer()},
		{"attempts", fmt.Sprint(t.GetAttempts())},
		{"submitted", strings.Join(t.GetSubmitted(), " ")},
		{"created", stamp(t.GetCreateTime())},
		{"finished", stamp(t.GetFinishTime())},
		{"etag", t.GetEtag()},
	}
	for _, attempt := range t.GetAttemptHistory() {
		rows = append(rows, [2]string{"attempt", attemptText(attempt)})
		if attempt.GetOutput() != "" {
			rows = append(rows, [2]string{"output", attempt.GetOutput()})
		}
	}
	properties(w, rows)
}

func attemptText(a *pb.TaskAttempt) string {
	parts := []string{stamp(a.GetStartTime()), "on " + a.GetNode()}
	if a.GetEndTime() != nil {
		parts = append(parts, "took "+a.GetEndTime().AsTime().Sub(a.GetStartTime().AsTime()).Round(time.Millisecond).String())
	}
	if a.GetStatusCode() != 0 {
		parts = append(parts, fmt.Sprintf("status %d", a.GetStatusCode()))
	}
	if a.ExitCode != nil {
		parts = append(parts, fmt.Sprintf("exit %d", a.GetExitCode()))
	}
	switch e := a.GetError(); {
	case e.GetCode() != "":
		parts = append(parts, errorText(e))
	case a.GetEndTime() != nil:
		parts = append(parts, "succeeded")
	}
	return strings.Join(parts, ", ")
}
