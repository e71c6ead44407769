package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
	"godwit/transfer"
)

// fakeCluster keeps members in memory. A drain waits until drained is closed.
type fakeCluster struct {
	mu      sync.Mutex // guards members
	members []actors.NodeStatus
	// began gets the name of each drain, gaveUp the cause of each wait that its
	// context ended.
	began   chan string
	gaveUp  chan error
	drained chan struct{}
	// err, when set, is what every call fails with.
	err error
}

func newFakeCluster() *fakeCluster {
	return &fakeCluster{
		began: make(chan string, 4), gaveUp: make(chan error, 4), drained: make(chan struct{}),
		members: []actors.NodeStatus{
			{
				Member: actors.Member{
					Name: "n1", Incarnation: "i1", Epoch: 1 << 60, APIAddr: "10.0.0.1:7480", RemoteAddr: "10.0.0.1:7481",
					GossipAddr: "10.0.0.1:7482", Version: "1.2.3", State: actors.MemberAlive, Weight: 1,
				},
				Shards: 341, Running: 2, Queued: 9,
			},
			{Member: actors.Member{Name: "n2", Epoch: 3, State: actors.MemberSuspect, Cordoned: true, Gone: true}},
		},
	}
}

func (f *fakeCluster) Nodes(context.Context) ([]actors.NodeStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.members, f.err
}

func (f *fakeCluster) change(name string, with func(*actors.NodeStatus)) (actors.NodeStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.members {
		if f.members[i].Name == name {
			with(&f.members[i])
			return f.members[i], f.err
		}
	}
	return actors.NodeStatus{}, &transfer.Error{Code: transfer.CodeNodeNotFound, Op: "find node", Subject: name}
}

func (f *fakeCluster) Drain(ctx context.Context, name string) (actors.NodeStatus, error) {
	if _, err := f.change(name, func(n *actors.NodeStatus) { n.State = actors.MemberDraining }); err != nil {
		return actors.NodeStatus{}, err
	}
	f.began <- name
	select {
	case <-f.drained:
		return f.change(name, func(n *actors.NodeStatus) { n.Shards, n.Running, n.Queued = 0, 0, 0 })
	case <-ctx.Done():
		f.gaveUp <- context.Cause(ctx)
		return actors.NodeStatus{}, ctx.Err()
	}
}

func (f *fakeCluster) Cordon(_ context.Context, name string, cordoned bool) (actors.NodeStatus, error) {
	return f.change(name, func(n *actors.NodeStatus) {
		n.Cordoned = cordoned
		if !cordoned {
			n.State = actors.MemberAlive
		}
	})
}

func (a *testAPI) nodes(opts ...connect.ClientOption) godwitv1connect.ClusterServiceClient {
	return godwitv1connect.NewClusterServiceClient(a.Client(), a.URL, opts...)
}

const (
	n1JSON = `{"name":"n1","state":"ALIVE","apiAddr":"10.0.0.1:7480","remoteAddr":"10.0.0.1:7481","gossipAddr":"10.0.0.1:7482",` +
		`"epoch":"1152921504606846976","shards":341,"transfers":{"running":2,"queued":9},"version":"1.2.3"}`
	n2JSON = `{"name":"n2","state":"SUSPECT","apiAddr":"","remoteAddr":"","gossipAddr":"","epoch":"3","shards":0,` +
		`"transfers":{"running":0,"queued":0},"version":"","cordoned":true}`
)

func TestNodesAsJSON(t *testing.T) {
	a := startAPI(t, nil)
	for _, row := range []struct{ method, body, want string }{
		{"ListNodes", `{}`, `{"nodes":[` + n1JSON + `,` + n2JSON + `]}`},
		{"GetNode", `{"name":"n2"}`, n2JSON},
		{"CordonNode", `{"name":"n1"}`, strings.TrimSuffix(n1JSON, "}") + `,"cordoned":true}`},
		{"CordonNode", `{"name":"n1"}`, strings.TrimSuffix(n1JSON, "}") + `,"cordoned":true}`},
		{"UncordonNode", `{"name":"n1"}`, n1JSON},
	} {
		if status, body := a.post(t, "ClusterService/"+row.method, row.body); status != http.StatusOK || body != row.want {
			t.Errorf("%s: %d\n%s, want\n%s", row.method, status, body, row.want)
		}
	}
}

func TestNodesBadInput(t *testing.T) {
	a := startAPI(t, nil)
	for _, row := range []struct {
		method, body string
		code         transfer.Code
		field        string
	}{
		{"ListNodes", `{"pageSize":1}`, transfer.CodeJSON, "pageSize"},
		{"ListNodes", `{} {}`, transfer.CodeJSON, ""},
		{"GetNode", `{"name":"n1","name":"n2"}`, transfer.CodeJSON, "name"},
		{"GetNode", `{"name":1}`, transfer.CodeJSON, "name"},
		{"GetNode", `{"id":"n1"}`, transfer.CodeJSON, "id"},
		{"GetNode", `{}`, transfer.CodeID, "name"},
		{"GetNode", `{"name":"n9"}`, transfer.CodeNodeNotFound, ""},
		{"DrainNode", `{"name":"../n1"}`, transfer.CodeID, "name"},
		{"DrainNode", `{"name":"n9"}`, transfer.CodeNodeNotFound, ""},
		{"CordonNode", `{"name":"n 1"}`, transfer.CodeID, "name"},
		{"CordonNode", `{"name":"n9"}`, transfer.CodeNodeNotFound, ""},
		{"UncordonNode", `{"name":"` + strings.Repeat("n", 129) + `"}`, transfer.CodeID, "name"},
		{"UncordonNode", `{"name":"n9"}`, transfer.CodeNodeNotFound, ""},
	} {
		status, body := a.post(t, "ClusterService/"+row.method, row.body)
		wantFailure(t, status, body, row.code.Info().HTTP, row.code, row.field)
	}
}

func TestNodesFailLikeTransfers(t *testing.T) {
	a := startAPI(t, nil)
	a.cluster.err = errors.New("dial tcp: CANARY")
	for method, body := range map[string]string{"ListNodes": `{}`, "GetNode": `{"name":"n1"}`, "CordonNode": `{"name":"n1"}`} {
		status, answer := a.post(t, "ClusterService/"+method, body)
		wantFailure(t, status, answer, http.StatusInternalServerError, transfer.CodeInternal, "")
		if strings.Contains(answer, "CANARY") {
			t.Errorf("%s answers with the cause: %s", method, answer)
		}
	}
	a.cluster.err = transfer.Errorf(transfer.CodeNodeUnreachable, "n1 does not answer")
	_, err := a.nodes().CordonNode(t.Context(), connect.NewRequest(&pb.CordonNodeRequest{Name: "n1"}))
	if connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("an unreachable node: %v", err)
	}
}

func TestNodesNeedTheToken(t *testing.T) {
	tokens, err := NewTokens([]byte("a token of the test\n"))
	if err != nil {
		t.Fatal(err)
	}
	a := startAPI(t, func(c *Config) { c.Tokens = tokens })
	status, body := a.post(t, "ClusterService/UncordonNode", `{"name":"n2"}`)
	wantFailure(t, status, body, http.StatusUnauthorized, transfer.CodeAuth, "")
	if members, _ := a.cluster.Nodes(t.Context()); !members[1].Cordoned {
		t.Error("it was done all the same")
	}
}

func TestDrainAnswersWhenNothingIsLeft(t *testing.T) {
	for name, opts := range map[string][]connect.ClientOption{
		"connect": nil, "json": {connect.WithProtoJSON()}, "grpc": {connect.WithGRPC()}, "grpc-web": {connect.WithGRPCWeb()},
	} {
		t.Run(name, func(t *testing.T) {
			a := startAPI(t, nil)
			go func() {
				<-a.cluster.began
				close(a.cluster.drained)
			}()
			got, err := a.nodes(opts...).DrainNode(t.Context(), connect.NewRequest(&pb.DrainNodeRequest{Name: "n1"}))
			if err != nil {
				t.Fatal(err)
			}
			if got.Msg.GetState() != pb.Node_DRAINING || got.Msg.GetShards() != 0 {
				t.Errorf("drained: %v", got.Msg)
			}
		})
	}
}

func TestDrainEndsItsWaitWithTheCaller(t *testing.T) {
	a := startAPI(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-a.cluster.began
		cancel()
	}()
	_, err := a.nodes().DrainNode(ctx, connect.NewRequest(&pb.DrainNodeRequest{Name: "n1"}))
	if connect.CodeOf(err) != connect.CodeCanceled {
		t.Errorf("the caller got %v", err)
	}
	if err := <-a.cluster.gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ended with %v", err)
	}
}

func TestDrainSendsTheCallerAwayWhenTheNodeStops(t *testing.T) {
	a := startAPI(t, nil)
	go func() {
		<-a.cluster.began
		close(a.closing)
	}()
	status, body := a.post(t, "ClusterService/DrainNode", `{"name":"n1"}`)
	wantFailure(t, status, body, http.StatusServiceUnavailable, transfer.CodeShuttingDown, "")
}
