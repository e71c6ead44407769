package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
)

func TestNextStep(t *testing.T) {
	paused := func(reasons ...pb.Transfer_PauseReason) *pb.Transfer {
		return &pb.Transfer{Status: pb.Transfer_PAUSED, PauseReasons: reasons}
	}
	in := func(s pb.Transfer_Status) *pb.Transfer { return &pb.Transfer{Status: s} }
	for _, c := range []struct {
		t           *pb.Transfer
		same, start bool
		want        step
	}{
		{in(pb.Transfer_QUEUED), true, true, follow},
		{in(pb.Transfer_RUNNING), true, true, follow},
		{in(pb.Transfer_RUNNING), false, true, refuse},
		{in(pb.Transfer_IDLE), true, true, startIt},
		{in(pb.Transfer_IDLE), true, false, follow},
		{paused(pb.Transfer_APPLICATION), true, true, resumeIt},
		{paused(pb.Transfer_RECOVERABLE_ERROR), true, true, resumeIt},
		{paused(pb.Transfer_NO_NETWORK), true, true, follow},
		{paused(pb.Transfer_APPLICATION), true, false, follow},
		{paused(pb.Transfer_APPLICATION), false, true, refuse},
		{in(pb.Transfer_FAILED), true, true, retryIt},
		{in(pb.Transfer_FAILED), true, false, follow},
		{&pb.Transfer{Status: pb.Transfer_FAILED, Error: &pb.Error{Code: "upload.maybe_duplicate"}}, true, true, follow},
		{in(pb.Transfer_FAILED), false, true, dropAndAnother},
		{in(pb.Transfer_CANCELED), true, true, another},
		{in(pb.Transfer_CANCELED), false, true, another},
		{in(pb.Transfer_COMPLETED), true, true, checkResult},
		{in(pb.Transfer_COMPLETED), false, true, another},
	} {
		if got := nextStep(c.t, c.same, c.start); got != c.want {
			t.Errorf("%s %v, same %v, start %v: step %d, want %d", c.t.GetStatus(), c.t.GetPauseReasons(), c.same, c.start, got, c.want)
		}
	}
}

// shelf is a service that only remembers; "same wishes" is an equal method.
// It is used by one call at a time.
type shelf struct {
	godwitv1connect.UnimplementedTransferServiceHandler
	on  map[string]*pb.Transfer
	log []string
}

func shelfError(code connect.Code, name string) error {
	e := connect.NewError(code, errors.New(name))
	d, err := connect.NewErrorDetail(&pb.Error{Code: name, Message: name})
	if err != nil {
		panic(err)
	}
	e.AddDetail(d)
	return e
}

func (s *shelf) CreateTransfer(_ context.Context, r *connect.Request[pb.CreateTransferRequest]) (*connect.Response[pb.Transfer], error) {
	want := r.Msg.GetTransfer()
	old := s.on[want.GetId()]
	switch {
	case old == nil:
		s.log = append(s.log, "create "+want.GetId())
		want.Status = pb.Transfer_QUEUED
		s.on[want.GetId()] = want
		return connect.NewResponse(want), nil
	case old.GetMethod() != want.GetMethod():
		return nil, shelfError(connect.CodeAlreadyExists, "id.conflict")
	}
	return connect.NewResponse(old), nil
}

func (s *shelf) GetTransfer(_ context.Context, r *connect.Request[pb.GetTransferRequest]) (*connect.Response[pb.Transfer], error) {
	return connect.NewResponse(s.on[r.Msg.GetId()]), nil
}

func (s *shelf) set(verb, id string, status pb.Transfer_Status) (*connect.Response[pb.Transfer], error) {
	s.log = append(s.log, verb+" "+id)
	s.on[id].Status = status
	return connect.NewResponse(s.on[id]), nil
}

func (s *shelf) ResumeTransfer(_ context.Context, r *connect.Request[pb.ResumeTransferRequest]) (*connect.Response[pb.Transfer], error) {
	return s.set("resume", r.Msg.GetId(), pb.Transfer_QUEUED)
}

func (s *shelf) RetryTransfer(_ context.Context, r *connect.Request[pb.RetryTransferRequest]) (*connect.Response[pb.Transfer], error) {
	return s.set("retry", r.Msg.GetId(), pb.Transfer_QUEUED)
}

func (s *shelf) CancelTransfer(_ context.Context, r *connect.Request[pb.CancelTransferRequest]) (*connect.Response[pb.Transfer], error) {
	return s.set("cancel", r.Msg.GetId(), s.on[r.Msg.GetId()].GetStatus())
}

// ReadTransfer has a result of 10 bytes for transfers labelled so.
func (s *shelf) ReadTransfer(_ context.Context, r *connect.Request[pb.ReadTransferRequest], out *connect.ServerStream[pb.ReadTransferResponse]) error {
	if s.on[r.Msg.GetId()].GetLabels()["result"] == "" {
		return shelfError(connect.CodeNotFound, "result.not_ready")
	}
	return out.Send(&pb.ReadTransferResponse{Data: []byte("0123456789")[r.Msg.GetOffset():]})
}

func TestAcquire(t *testing.T) {
	kept := map[string]string{"result": "there"}
	ten := &pb.Progress{BytesDone: 10}
	completed := func(id string, labels map[string]string, p *pb.Progress) *pb.Transfer {
		return &pb.Transfer{Id: id, Status: pb.Transfer_COMPLETED, Labels: labels, Progress: p}
	}
	for name, c := range map[string]struct {
		shelf    []*pb.Transfer
		method   string
		fixedID  bool
		wantLog  string
		wantID   string
		wantDone bool
		wantCode string
	}{
		"new":                            {wantLog: "create t", wantID: "t"},
		"paused":                         {shelf: []*pb.Transfer{{Id: "t", Status: pb.Transfer_PAUSED, PauseReasons: []pb.Transfer_PauseReason{1}}}, wantLog: "resume t", wantID: "t"},
		"failed":                         {shelf: []*pb.Transfer{{Id: "t", Status: pb.Transfer_FAILED}}, wantLog: "retry t", wantID: "t"},
		"complete and there":             {shelf: []*pb.Transfer{completed("t", kept, ten)}, wantID: "t", wantDone: true},
		"complete, another size":         {shelf: []*pb.Transfer{completed("t", kept, &pb.Progress{BytesDone: 7})}, wantLog: "create t-2", wantID: "t-2"},
		"complete and gone":              {shelf: []*pb.Transfer{completed("t", nil, ten)}, wantLog: "create t-2", wantID: "t-2"},
		"gone, then complete":            {shelf: []*pb.Transfer{completed("t", nil, ten), completed("t-2", kept, ten)}, wantID: "t-2", wantDone: true},
		"canceled twice":                 {shelf: []*pb.Transfer{{Id: "t", Status: 6}, {Id: "t-2", Status: 6}}, wantLog: "create t-3", wantID: "t-3"},
		"canceled, id given":             {shelf: []*pb.Transfer{{Id: "t", Status: 6}}, fixedID: true, wantCode: "id.conflict"},
		"live with other wishes":         {shelf: []*pb.Transfer{{Id: "t", Status: pb.Transfer_RUNNING}}, method: "POST", wantCode: "id.conflict"},
		"failed with other wishes":       {shelf: []*pb.Transfer{{Id: "t", Status: pb.Transfer_FAILED}}, method: "POST", wantLog: "cancel t, create t-2", wantID: "t-2"},
		"there, but with other wishes":   {shelf: []*pb.Transfer{completed("t", kept, ten)}, method: "POST", wantLog: "create t-2", wantID: "t-2"},
		"one canceled, the next is live": {shelf: []*pb.Transfer{{Id: "t", Status: 6}, {Id: "t-2", Status: pb.Transfer_RUNNING}}, wantID: "t-2"},
	} {
		s := &shelf{on: map[string]*pb.Transfer{}}
		for _, old := range c.shelf {
			s.on[old.GetId()] = old
		}
		_, handler := godwitv1connect.NewTransferServiceHandler(s)
		server := httptest.NewServer(handler)
		cl, err := client.New(client.Config{Servers: []string{server.URL}})
		if err != nil {
			t.Fatal(err)
		}
		q := acquirer{s: &session{Client: cl, servers: []string{server.URL}}, start: true, derived: !c.fixedID}
		got, err := q.acquire(t.Context(), &pb.Transfer{Id: "t", Method: c.method})
		server.Close()
		if log := strings.Join(s.log, ", "); log != c.wantLog || got.t.GetId() != c.wantID || got.done != c.wantDone {
			t.Errorf("%s: %q, transfer %q, done %v, %v", name, log, got.t.GetId(), got.done, err)
		}
		if code := codeOf(err); code != c.wantCode {
			t.Errorf("%s: %v, want code %q", name, err, c.wantCode)
		}
	}
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return describe(err).GetCode()
}
