package transfer

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const mega = 1e6

// link is a simulated origin with the path to it. Rates are bytes a second.
type link struct {
	// perConnection caps each connection, total all of them; 0 is no cap.
	perConnection, total float64
	// roundTrip delays a new connection's first byte by two of them; then its
	// window of bytes a round trip doubles from 15 kB each round trip up to
	// window. 0 is a link without delay.
	roundTrip time.Duration
	window    float64
	// burst is how many bytes a capped connection sends at once before it
	// pauses, as a server does that limits rates; 0 for an even flow.
	burst float64
	// noise is how far a sample strays from the truth, as a fraction; it
	// alternates, so that runs repeat.
	noise float64
	// patience is how many connections the origin takes without a complaint, 0
	// for any number.
	patience int
}

// simulation drives a Tuner in ticks of 50 ms.
type simulation struct {
	link
	tuner *Tuner
	now   time.Duration
	// opened is when each connection was opened.
	opened []time.Duration
	ticks  int
}

const tick = 50 * time.Millisecond

func newSimulation(l link, most int) *simulation {
	return &simulation{link: l, tuner: NewTuner(most), opened: []time.Duration{-l.roundTrip * 2}}
}

// run goes on until the given time and returns the most connections seen.
func (s *simulation) run(until time.Duration) int {
	most := s.tuner.Target()
	for s.now < until {
		s.resize()
		s.now += tick
		s.ticks++
		s.tuner.Sample(tick, int64(s.rate()*tick.Seconds()))
		if s.patience > 0 && len(s.opened) > s.patience {
			for range len(s.opened) - s.patience {
				s.tuner.Complain()
			}
		}
		most = max(most, s.tuner.Target())
	}
	return most
}

func (s *simulation) resize() {
	for len(s.opened) < s.tuner.Target() {
		s.opened = append(s.opened, s.now)
	}
	s.opened = s.opened[:s.tuner.Target()]
}

func (s *simulation) rate() float64 {
	var sum float64
	for _, opened := range s.opened {
		sum += s.connectionRate(s.now - opened)
	}
	if s.total > 0 {
		sum = min(sum, s.total)
	}
	if s.ticks%2 == 0 {
		return sum * (1 + s.noise)
	}
	return sum * (1 - s.noise)
}

func (s *simulation) connectionRate(age time.Duration) float64 {
	rate := s.perConnection
	if rate == 0 {
		rate = 10_000 * mega
	}
	if s.burst > 0 {
		sent := func(age time.Duration) float64 {
			if age <= 0 {
				return 0
			}
			return s.burst * (1 + math.Floor(age.Seconds()*rate/s.burst))
		}
		return (sent(age) - sent(age-tick)) / tick.Seconds()
	}
	if s.roundTrip == 0 {
		return rate
	}
	trips := int(age/s.roundTrip) - 2
	if trips < 0 {
		return 0
	}
	window := min(15_000*float64(uint64(1)<<min(trips, 40)), s.window)
	return min(rate, window/s.roundTrip.Seconds())
}

func TestTunerReachesSixteenOnACappedOrigin(t *testing.T) {
	for _, noise := range []float64{0, 0.05, 0.1} {
		s := newSimulation(link{perConnection: 20 * mega, noise: noise}, 16)
		s.run(200 * time.Millisecond)
		if got := s.tuner.Target(); got != 16 {
			t.Errorf("noise %v: %d connections after 0.2 s", noise, got)
		}
		s.run(2 * time.Minute)
		if got := s.tuner.Target(); got != 16 {
			t.Errorf("noise %v: %d connections after 2 min", noise, got)
		}
	}
}

// Whatever a burst makes of a single window, the step is not taken back.
func TestTunerTakesBurstsForWhatTheyAre(t *testing.T) {
	for burst := 0.5 * mega; burst <= 4*mega; burst += 0.25 * mega {
		s := newSimulation(link{perConnection: 20 * mega, burst: burst}, 16)
		s.run(time.Second)
		if got := s.tuner.Target(); got != 16 {
			t.Errorf("bursts of %.2f MB: %d connections after a second", burst/mega, got)
		}
	}
}

func TestTunerStaysLowWhereOneConnectionFillsTheLink(t *testing.T) {
	for _, noise := range []float64{0, 0.1} {
		s := newSimulation(link{total: 800 * mega, noise: noise}, 16)
		if most := s.run(10 * time.Minute); most > 2 {
			t.Errorf("noise %v: up to %d connections", noise, most)
		}
	}
}

// Probing must be rare where it does not help.
func TestTunerProbesLessAndLess(t *testing.T) {
	s := newSimulation(link{total: 800 * mega}, 16)
	var with2 time.Duration
	s.run(10 * time.Second)
	for s.now < 10*time.Minute {
		if s.tuner.Target() == 2 {
			with2 += tick
		}
		s.run(s.now + tick)
	}
	if share := with2.Seconds() / s.now.Seconds(); share > 0.1 || with2 == 0 {
		t.Errorf("%.0f %% of the time went into probing", 100*share)
	}
}

func TestTunerStopsNearASharedBottleneck(t *testing.T) {
	s := newSimulation(link{perConnection: 20 * mega, total: 90 * mega}, 16)
	s.run(10 * time.Second)
	near := 0
	const ticks = 1000
	for range ticks {
		s.run(s.now + tick)
		if got := s.tuner.Target(); got >= 4 && got <= 8 {
			near++
		}
	}
	if near < ticks*7/10 {
		t.Errorf("%d of %d ticks with 4 to 8 connections, where 5 fill the link", near, ticks)
	}
}

func TestTunerFindsFarOriginsThatStartSlowly(t *testing.T) {
	for _, roundTrip := range []time.Duration{40 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond} {
		t.Run(fmt.Sprint(roundTrip), func(t *testing.T) {
			s := newSimulation(link{roundTrip: roundTrip, window: 3e6, total: 2000 * mega}, 16)
			s.run(time.Minute)
			if got := s.tuner.Target(); got != 16 {
				t.Errorf("%d connections after a minute", got)
			}
		})
	}
}

func TestTunerReachesSixteenAtFortyMillisecondsSoon(t *testing.T) {
	s := newSimulation(link{roundTrip: 40 * time.Millisecond, window: 3e6}, 16)
	s.run(3 * time.Second)
	if got := s.tuner.Target(); got != 16 {
		t.Errorf("%d connections after 3 s", got)
	}
}

func TestTunerGivesWayToAnOriginThatComplains(t *testing.T) {
	s := newSimulation(link{perConnection: 20 * mega, patience: 6}, 16)
	s.run(3 * time.Second)
	if got := s.tuner.Target(); got > 6 || got < 3 {
		t.Fatalf("%d connections after 3 s, where 6 are allowed", got)
	}
	over := 0
	for s.now < 10*time.Minute {
		s.run(s.now + tick)
		if s.tuner.Target() > 6 {
			over++
		}
	}
	if over > 20 {
		t.Errorf("%d ticks over what the origin allows in ten minutes", over)
	}
}

func TestTunerTakesABurstOfComplaintsForOne(t *testing.T) {
	s := newSimulation(link{perConnection: 20 * mega}, 16)
	s.run(time.Second)
	for range 16 {
		s.tuner.Complain()
	}
	if got := s.tuner.Target(); got != 8 {
		t.Fatalf("%d connections after a burst", got)
	}
	s.run(3 * time.Second)
	s.tuner.Complain()
	if got := s.tuner.Target(); got != 4 {
		t.Fatalf("%d connections after a second burst", got)
	}
}

// Whatever it is told, the target stays within its bounds.
func TestTunerKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(-1, 70).Draw(t, "most")
		tuner := NewTuner(most)
		t.Repeat(map[string]func(*rapid.T){
			"sample": func(t *rapid.T) {
				tuner.Sample(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "elapsed")),
					rapid.Int64Range(0, 1<<40).Draw(t, "bytes"))
			},
			"complain": func(*rapid.T) { tuner.Complain() },
			"": func(t *rapid.T) {
				if got := tuner.Target(); got < 1 || got > max(most, 1) {
					t.Fatalf("%d connections of at most %d", got, most)
				}
			},
		})
	})
}
