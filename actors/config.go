package actors

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"godwit/storage"
)

// Config is what a System needs. Node, Incarnation, Records, Objects, Source
// and Sealer are required; the rest has defaults.
type Config struct {
	// Node is the stable name of this node; Incarnation is unlike that of any
	// other process, earlier ones of the same name included.
	Node, Incarnation string
	// Version is shown in the node's lease.
	Version string
	// Records is the state store.
	Records storage.RecordStore
	// Objects are the destinations' stores by URL scheme: "file", "s3".
	Objects map[string]storage.ObjectStore
	Source  Opener
	// Uploads sends uploads; without it they fail.
	Uploads Uploads
	Sealer  Sealer
	// Resolver asks the resolvers of transfers; without one nobody is asked.
	Resolver Resolver
	Meter    Meter
	Logger   *slog.Logger
	// Slots is how many transfers run at a time; 32 by default.
	Slots int
	// HostConnections bounds the connections to one origin host of all
	// transfers together; 32 by default.
	HostConnections int
	// Peers carries requests to the other nodes of a cluster; nil for a node
	// alone. Became tells who the node is, when it has started and whenever that
	// changes; it must not wait.
	Peers  Peers
	Became func(Self)
	// Refuses tells whether nobody listens at host:port on a host that is there:
	// the proof that a process has ended.
	Refuses func(ctx context.Context, addr string) bool
	// Addresses of the node, as others reach them.
	APIAddr, RemoteAddr, GossipAddr string
	// PauseLimit is how long the node may stand still before it stops what it
	// does and looks who has taken over: 3 s by default with peers, otherwise
	// LeaseTimeout. LeaseExpiry is how long the lease of another must not have
	// changed before its transfers are taken, 15 s by default: more than any
	// node's LeaseTimeout.
	PauseLimit, LeaseExpiry time.Duration
	// HandoverGrace is how long a transfer that is given away may take to finish
	// its parts in flight, which are fetched again otherwise; by default it does
	// not. RebalanceGrace is the same where its node stays, 6 s by default: less
	// than RoutePatience, for which its requests wait.
	HandoverGrace, RebalanceGrace time.Duration
	// ReleasePatience is how long a shard waits for others to say whether they
	// have it, 10 s by default; RoutePatience how long a request waits for a
	// transfer that is on its way, 10 s by default; CallTimeout how long one
	// call to another node may take, 3 s by default.
	ReleasePatience, RoutePatience, CallTimeout time.Duration
	// LeaseRenewal is how often the node lease is written, 3 s by default;
	// LeaseTimeout is how long it may fail before the node stops its
	// transfers, 10 s by default.
	LeaseRenewal, LeaseTimeout time.Duration
	// Outlets are what background tasks act on.
	Outlets Outlets
	// Reached is told of steps between a transfer's end and the delivery of its
	// group's task, so that tests can end a node there.
	Reached func(point string)
	// SpoolURL is the folder that takes content which is to be sent: "file:///spool/"
	// or "s3://bucket/spool/"; "" if none is taken.
	SpoolURL string
	// Retention is how long a transfer that has ended is kept, 7 days by default.
	Retention time.Duration
	// Brief is for a node that lives for minutes: what should be gone already when it
	// starts is deleted at once. Others leave it some hours, because their clock may
	// be wrong.
	Brief bool
	// Random is uniform in [0,1), for jitter; math/rand/v2 by default.
	Random func() float64
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Node == "" || c.Incarnation == "":
		return c, errors.New("actors: node name and incarnation are required")
	case c.Records == nil || len(c.Objects) == 0 || c.Source == nil || c.Sealer == nil:
		return c, errors.New("actors: record store, object stores, source and sealer are required")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.SpoolURL != "" {
		c.SpoolURL = strings.TrimSuffix(c.SpoolURL, "/") + "/"
	}
	if c.Uploads == nil {
		c.Uploads = noUploads{}
	}
	if c.Meter == nil {
		c.Meter = nopMeter{}
	}
	if c.Slots <= 0 {
		c.Slots = 32
	}
	if c.HostConnections <= 0 {
		c.HostConnections = 32
	}
	c.setTimes()
	if c.Became == nil {
		c.Became = func(Self) {}
	}
	if c.Reached == nil {
		c.Reached = func(string) {}
	}
	if c.Random == nil {
		c.Random = randomFloat
	}
	return c, nil
}

func (c *Config) setTimes() {
	c.LeaseRenewal = cmp.Or(c.LeaseRenewal, 3*time.Second)
	c.LeaseTimeout = cmp.Or(c.LeaseTimeout, 10*time.Second)
	c.LeaseExpiry = cmp.Or(c.LeaseExpiry, 15*time.Second)
	c.ReleasePatience = cmp.Or(c.ReleasePatience, 10*time.Second)
	c.RebalanceGrace = cmp.Or(c.RebalanceGrace, 6*time.Second)
	c.RoutePatience = cmp.Or(c.RoutePatience, 10*time.Second)
	c.Retention = cmp.Or(c.Retention, 7*24*time.Hour)
	c.CallTimeout = cmp.Or(c.CallTimeout, 3*time.Second)
	if c.PauseLimit == 0 && c.Peers == nil {
		c.PauseLimit = c.LeaseTimeout
	}
	c.PauseLimit = cmp.Or(c.PauseLimit, 3*time.Second)
}
