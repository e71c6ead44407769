package chaos

import (
	"cmp"
	"flag"
	"strings"
	"time"
)

// Params say how hard a scenario tries. Zero values stand for the scenario's
// own.
type Params struct {
	// Faults is how many are injected at most, Duration until when.
	Faults   int
	Duration time.Duration
	// Transfers is how many are kept unfinished while faults strike.
	Transfers int
	// Size, in bytes, is that of the greatest content; others have less. Rate, in
	// bytes a second, is what an origin sends on one connection.
	Size, Rate int64
	// PartSize and Connections are what transfers ask for; 0 is automatic.
	PartSize    int64
	Connections int
	// Waste is how many bytes one fault may make one transfer fetch again.
	Waste int64
	// Pauses are how long nodes are paused or cut off, in turn.
	Pauses []time.Duration
	// Queued and Running are how many transfers the dying node of scale holds.
	Queued, Running int
	// Every is how many possible runs of torture there are for each that is made; 0
	// makes all. Beside is how many nodes are tortured at the same time.
	Every, Beside int
	// Strict judges times too, which means something on an idle machine only, and
	// lets nothing be fetched again when a transfer changes owners without a fault.
	Strict bool
}

// defaults are for a person who watches.
var defaults = Params{
	Faults: 10, Transfers: 12, Size: 64 * mib, Rate: 2 * mib, Waste: 64 * mib,
	Pauses: []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute},
	Queued: 100_000, Running: 50, Beside: 4,
}

// WithDefaults fills in what is zero.
func (p Params) WithDefaults() Params {
	p.Faults = cmp.Or(p.Faults, defaults.Faults)
	p.Transfers = cmp.Or(p.Transfers, defaults.Transfers)
	p.Size = cmp.Or(p.Size, defaults.Size)
	p.Rate = cmp.Or(p.Rate, defaults.Rate)
	p.Waste = cmp.Or(p.Waste, defaults.Waste)
	p.Queued = cmp.Or(p.Queued, defaults.Queued)
	p.Beside = cmp.Or(p.Beside, defaults.Beside)
	p.Running = cmp.Or(p.Running, defaults.Running)
	if len(p.Pauses) == 0 {
		p.Pauses = defaults.Pauses
	}
	return p
}

// Register adds flags whose names begin with a prefix.
func (p *Params) Register(flags *flag.FlagSet, prefix string) {
	flags.IntVar(&p.Faults, prefix+"kills", 0, "how many faults, of whatever kind the scenario makes")
	flags.DurationVar(&p.Duration, prefix+"duration", 0, "no new fault after this time; 0 is no limit")
	flags.IntVar(&p.Transfers, prefix+"transfers", 0, "how many transfers are kept unfinished")
	flags.Int64Var(&p.Size, prefix+"size", 0, "bytes of the greatest content")
	flags.Int64Var(&p.Rate, prefix+"rate", 0, "bytes a second that an origin sends on one connection")
	flags.Int64Var(&p.PartSize, prefix+"part-size", 0, "bytes of a part")
	flags.IntVar(&p.Connections, prefix+"connections", 0, "connections of each transfer")
	flags.Int64Var(&p.Waste, prefix+"waste", 0, "bytes that one fault may make one transfer fetch again")
	flags.IntVar(&p.Queued, prefix+"queued", 0, "queued transfers of the node that scale kills")
	flags.IntVar(&p.Running, prefix+"running", 0, "running transfers of the node that scale kills")
	flags.IntVar(&p.Every, prefix+"every", 0, "torture one in so many calls; 0 is all")
	flags.IntVar(&p.Beside, prefix+"beside", 0, "how many nodes are tortured at the same time")
	flags.BoolVar(&p.Strict, prefix+"strict", false, "judge times too, and what planned moves cost")
	flags.Var((*durations)(&p.Pauses), prefix+"pauses", "how long nodes are paused or cut off, in turn: 5s,30s,2m")
}

// durations is a flag with several values.
type durations []time.Duration

func (d *durations) String() string {
	var words []string
	for _, one := range *d {
		words = append(words, one.String())
	}
	return strings.Join(words, ",")
}

// Set implements flag.Value.
func (d *durations) Set(text string) error {
	*d = nil
	for word := range strings.SplitSeq(text, ",") {
		one, err := time.ParseDuration(word)
		if err != nil {
			return err
		}
		*d = append(*d, one)
	}
	return nil
}
