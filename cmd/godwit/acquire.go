package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// maxSeries bounds how many ended transfers of the same command are skipped:
// a command repeated that often sits in a loop.
const maxSeries = 1000

// step is what a command does with the transfer that already has its id.
type step int

const (
	// follow it: it is on its way.
	follow step = iota
	// startIt, resumeIt, retryIt, and follow it.
	startIt
	resumeIt
	retryIt
	// checkResult: it is completed; whether anything is left to do depends on
	// the result being still there.
	checkResult
	// another: it is over; the command makes the next transfer of its series.
	another
	// dropAndAnother: like another, but its bytes are to be removed first.
	dropAndAnother
	// refuse: the id belongs to a live transfer with other wishes.
	refuse
)

// nextStep decides. Same tells that the transfer has the wishes of this
// command; start that it shall run.
func nextStep(t *pb.Transfer, same, start bool) step {
	switch t.GetStatus() {
	case pb.Transfer_COMPLETED:
		if same {
			return checkResult
		}
		return another
	case pb.Transfer_CANCELED:
		return another
	case pb.Transfer_FAILED:
		switch {
		case !same:
			return dropAndAnother
		case start && t.GetError().GetCode() != string(transfer.CodeMaybeDuplicate):
			// What must not be repeated is not, because a command is.
			return retryIt
		}
		return follow
	}
	if !same {
		return refuse
	}
	return liveStep(t, start)
}

func liveStep(t *pb.Transfer, start bool) step {
	switch {
	case !start:
		return follow
	case t.GetStatus() == pb.Transfer_IDLE:
		return startIt
	case slices.Contains(t.GetPauseReasons(), pb.Transfer_APPLICATION),
		slices.Contains(t.GetPauseReasons(), pb.Transfer_RECOVERABLE_ERROR):
		return resumeIt
	}
	return follow
}

// acquired is the transfer of a command.
type acquired struct {
	t *pb.Transfer
	// done: it was completed before, and its result is still in place.
	done bool
}

// acquirer finds the transfer of a command, or creates it.
type acquirer struct {
	s     *session
	start bool
	// derived: the id is ours to vary; otherwise the user chose it.
	derived bool
}

// acquire creates the transfer, or finds the one that the same command made
// before and sets it going. A command whose transfer is over, with nothing left
// of it, makes another one: ids are never used twice, so it gets the next of
// the series ID, ID-2, ID-3…
func (q *acquirer) acquire(ctx context.Context, want *pb.Transfer) (acquired, error) {
	want = proto.CloneOf(want)
	base := want.GetId()
	for n := 1; n <= maxSeries; n++ {
		if n > 1 {
			want.Id = fmt.Sprintf("%s-%d", base, n)
		}
		got, same, err := q.createOrGet(ctx, want)
		if err != nil {
			return acquired{}, err
		}
		found, over, err := q.settle(ctx, got, same)
		if err != nil || !over {
			return found, err
		}
		if !q.derived {
			return acquired{}, &failure{code: string(transfer.CodeIDConflict), message: fmt.Sprintf(
				"transfer %s is over (%s); choose another --id", got.GetId(), got.GetStatus())}
		}
	}
	return acquired{}, &failure{code: string(transfer.CodeIDConflict), message: fmt.Sprintf(
		"there are %d transfers of this command already; choose an --id", maxSeries)}
}

// createOrGet is one call where the transfer is new or has the same wishes.
func (q *acquirer) createOrGet(ctx context.Context, want *pb.Transfer) (got *pb.Transfer, same bool, err error) {
	got, err = q.s.Create(ctx, want, q.start)
	if client.CodeOf(err) != string(transfer.CodeIDConflict) {
		return got, err != nil || !q.s.sourceChanged(got), err
	}
	got, err = q.s.Get(ctx, want.GetId())
	return got, false, err
}

// settle carries out the step. Over tells that the transfer is of no more use.
func (q *acquirer) settle(ctx context.Context, t *pb.Transfer, same bool) (found acquired, over bool, err error) {
	switch nextStep(t, same, q.start) {
	case startIt:
		t, err = q.s.Start(ctx, t.GetId())
	case resumeIt:
		t, err = q.s.Resume(ctx, t.GetId())
	case retryIt:
		t, err = q.s.Retry(ctx, t.GetId())
	case checkResult:
		there, err := q.s.resultInPlace(ctx, t)
		return acquired{t: t, done: there}, !there, err
	case another:
		return acquired{}, true, nil
	case dropAndAnother:
		_, err = q.s.Cancel(ctx, t.GetId(), "replaced by the same command with other options")
		return acquired{}, true, err
	case refuse:
		return acquired{}, false, &failure{code: string(transfer.CodeIDConflict), message: fmt.Sprintf(
			"transfer %s is under way with other options", t.GetId()), advice: waysOut(t.GetId())}
	}
	return acquired{t: t}, false, err
}

// waysOut are the commands that help where the transfer of a command has other
// options than the command.
func waysOut(id string) string {
	id = quote(id)
	return fmt.Sprintf("Say the same options again; or change its rate and priority: godwit transfer set %s …;\n"+
		"  or end it, which removes its bytes: godwit transfer cancel %s; or choose another --id.", id, id)
}

// sourceChanged tells that a file of this machine is not what it was when its
// upload was created, which sends what there was then and nothing else.
func (s *session) sourceChanged(t *pb.Transfer) bool {
	if !s.embedded() || t.GetDirection() != pb.Transfer_UPLOAD {
		return false
	}
	for _, p := range t.GetUpload().GetForm().GetParts() {
		if fileChanged(p.GetSource().GetUrl(), p.GetSourceTime(), -1) {
			return true
		}
	}
	return fileChanged(t.GetSource().GetUrl(), t.GetUpload().GetSourceTime(), t.GetProgress().GetBytesTotal())
}

// fileChanged tells that there is a file at a source, with another time or size;
// -1 is a size that is not known.
func fileChanged(source string, modified *timestamppb.Timestamp, size int64) bool {
	path, isFile := strings.CutPrefix(source, "file://")
	if !isFile || modified == nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && (!info.ModTime().Equal(modified.AsTime()) || size >= 0 && info.Size() != size)
}

// resultInPlace tells whether the result is there and as long as it was. Files
// of an embedded node are this machine's; everything else is read at its last
// byte. What was uploaded is the far side's.
func (s *session) resultInPlace(ctx context.Context, t *pb.Transfer) (bool, error) {
	if t.GetDirection() == pb.Transfer_UPLOAD {
		return true, nil
	}
	size := t.GetProgress().GetBytesDone()
	if path, isFile := strings.CutPrefix(t.GetDestination().GetUrl(), "file://"); isFile && s.embedded() {
		info, err := os.Stat(path)
		return err == nil && sameSize(info, t, size), nil
	}
	r := s.Read(ctx, t.GetId(), max(size-1, 0))
	defer r.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(r, 2))
	switch code := client.CodeOf(err); {
	case err == nil:
		return n == min(size, 1) || t.GetSkipped(), nil
	case code == client.CodeUnreachable || code == client.CodeInterrupted || code == client.CodeAuth:
		return false, err
	case transfer.Code(code).Retryable():
		return false, err
	}
	return false, nil
}

func sameSize(info fs.FileInfo, t *pb.Transfer, size int64) bool {
	return info.Mode().IsRegular() && (info.Size() == size || t.GetSkipped())
}
