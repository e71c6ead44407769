package main

import (
	"math"
	"time"

	pb "godwit/protos/godwit/v1"
)

// smoothing is the time in which an old rate loses two thirds of its weight.
const smoothing = 4 * time.Second

// leastInterval is how far apart two samples are at least: shorter ones are
// noise.
const leastInterval = 200 * time.Millisecond

// meter turns positions into a rate. The zero meter is ready.
type meter struct {
	at       time.Time
	position int64
	// rate is in bytes a second; known after two samples.
	rate  float64
	known bool
}

// observe takes a position in bytes. A position that falls begins anew, for
// then the transfer restarted.
func (m *meter) observe(now time.Time, position int64) {
	if m.at.IsZero() || position < m.position {
		*m = meter{at: now, position: position}
		return
	}
	passed := now.Sub(m.at)
	if passed < leastInterval {
		return
	}
	sample := float64(position-m.position) / passed.Seconds()
	if m.known {
		weight := math.Exp(-passed.Seconds() / smoothing.Seconds())
		sample = weight*m.rate + (1-weight)*sample
	}
	m.rate, m.known = sample, true
	m.at, m.position = now, position
}

// follow observes a transfer while it runs: waiting is not slowness.
func (m *meter) follow(now time.Time, t *pb.Transfer) {
	if t.GetStatus() == pb.Transfer_RUNNING {
		m.observe(now, position(t))
	}
}

// remaining is the time that the rest will take, or negative when unknown.
func (m *meter) remaining(total int64) time.Duration {
	if !m.known || m.rate < 1 || total < m.position {
		return -1
	}
	seconds := float64(total-m.position) / m.rate
	if seconds > (1000 * time.Hour).Seconds() {
		return -1
	}
	return time.Duration(seconds * float64(time.Second))
}

// position is how far a transfer is: what is stored and what is on its way.
func position(t *pb.Transfer) int64 {
	return max(t.GetProgress().GetBytesDone(), t.GetProgress().GetBytesInFlight())
}

// total is the size in bytes, or -1 when unknown.
func total(t *pb.Transfer) int64 {
	if p := t.GetProgress(); p != nil && p.BytesTotal != nil {
		return p.GetBytesTotal()
	}
	return -1
}
