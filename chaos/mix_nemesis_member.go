package chaos

import (
	"context"
	mathrand "math/rand/v2"
	"time"
)

// Faults that are no faults: nodes that are drained, join and leave.

func strikeOperate(verb string) func(*mix, *mathrand.Rand) *strike {
	return func(m *mix, dice *mathrand.Rand) *strike {
		hold := m.lasts(dice, 2, 10)
		if !m.room() {
			return nil
		}
		n := m.take(dice)
		if n == nil {
			return nil
		}
		// The node whom it is asked of may be struck by something else.
		operate := func(ctx context.Context, verb string) error {
			ctx, cancel := context.WithTimeout(ctx, startPatience)
			defer cancel()
			for {
				err := m.c.Operate(ctx, verb, n)
				if err == nil {
					return nil
				}
				if idle(ctx, time.Second) != nil {
					return err
				}
			}
		}
		return &strike{
			nodes: []*Node{n}, hold: hold, graceful: true,
			begin: func(ctx context.Context) error { return operate(ctx, verb) },
			heal: func(ctx context.Context) error {
				if n.process().Ended() { // killed by something else: nobody knows it any more
					if err := m.revive(ctx, n, false); err != nil {
						return err
					}
				}
				return operate(ctx, "uncordon")
			},
		}
	}
}

func strikeJoin(m *mix, dice *mathrand.Rand) *strike {
	hold, leaves := m.lasts(dice, 5, 15), dice.IntN(2) == 0
	if !m.room() {
		return nil
	}
	m.mu.Lock()
	guest := m.guest
	busy := guest != nil && m.held[guest]
	m.mu.Unlock()
	if busy {
		return nil
	}
	if guest == nil {
		var err error
		if guest, err = m.c.Add(); err != nil {
			m.fail(err)
			return nil
		}
	}
	m.mu.Lock()
	m.guest, m.held[guest] = guest, true
	m.mu.Unlock()
	return &strike{
		nodes: []*Node{guest}, hold: hold, mayEnd: true,
		begin: func(ctx context.Context) error { return m.revive(ctx, guest, true) },
		heal: func(ctx context.Context) error {
			if leaves {
				return m.terminate(ctx, guest)
			}
			guest.Kill()
			m.killed()
			return nil
		},
	}
}
