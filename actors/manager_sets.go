package actors

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// What the manager knows of entities, and of who belongs to which set.

type (
	// entityListRequest asks for the entities of a kind after a name, one more
	// than limit if there are more.
	entityListRequest struct {
		kind  entityKind
		after string
		limit int
	}
	entityListResult struct {
		ids    []string
		shards shardSet
	}
	// censusRequest asks for the members of a group or completion group.
	censusRequest struct{ group, completion string }
	censusResult  struct {
		members []member
		shards  shardSet
	}
)

// member is what a set knows of one of its transfers.
type member struct {
	id    string
	phase transfer.Phase
	entry entry
}

// receiveSets is the part of Receive that concerns sets, and what others ask
// about this node.
func (m *manager) receiveSets(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *entityRequest:
		m.forward(ctx, msg)
	case *turnRequest:
		m.forward(ctx, msg)
	case *entityListed:
		m.onEntityListed(msg)
	case *entityListRequest:
		m.onEntityList(ctx, msg)
	case *censusRequest:
		m.onCensus(ctx, msg)
	case *reportRunning:
		m.onReportRunning(ctx)
	case *statusRequest:
		m.onStatus(ctx)
	default:
		m.receiveHandover(ctx)
	}
}

func (m *manager) onEntityListed(msg *entityListed) {
	run := m.shards[msg.shard]
	switch {
	case run == nil:
	case msg.gone:
		delete(run.entities, msg.at)
	default:
		run.entities[msg.at] = struct{}{}
	}
}

func (m *manager) onEntityList(ctx actor.Context, msg *entityListRequest) {
	out := &entityListResult{shards: newShardSet()}
	for n, run := range m.shards {
		if run.state < shardReady {
			continue
		}
		out.shards.add(n)
		for at := range run.entities {
			if at.kind == msg.kind && at.id > msg.after {
				out.ids = append(out.ids, at.id)
			}
		}
	}
	slices.Sort(out.ids)
	out.ids = out.ids[:min(len(out.ids), msg.limit+1)]
	ctx.Respond(out)
}

func (m *manager) onCensus(ctx actor.Context, msg *censusRequest) {
	out := &censusResult{shards: newShardSet()}
	for n, run := range m.shards {
		if run.state < shardReady {
			continue
		}
		out.shards.add(n)
		for _, e := range run.entries {
			if msg.group != "" && e.group == msg.group || msg.completion != "" && e.completion == msg.completion {
				out.members = append(out.members, member{id: e.id, phase: transfer.Phase(e.status), entry: *e})
			}
		}
	}
	ctx.Respond(out)
}
