package node

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"godwit/actors"
	"godwit/cluster"
	pb "godwit/protos/godwit/v1"
)

// metrics counts what happens on one node, in a registry of its own, beside what
// Go and the system say of its process. No label ever holds a URL or the id of a transfer.
type metrics struct {
	registry    *prometheus.Registry
	transfers   *prometheus.GaugeVec
	bytes       *prometheus.CounterVec
	refetched   *prometheus.CounterVec
	takeovers   *prometheus.CounterVec
	takeover    prometheus.Histogram
	fenced      prometheus.Counter
	stateWrites *prometheus.CounterVec
	members     *prometheus.GaugeVec
	triggers    *prometheus.CounterVec
	deliveries  *prometheus.CounterVec
}

var _ actors.Meter = (*metrics)(nil)

func newMetrics(version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		transfers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "godwit_transfers",
			Help: "Transfers by state and direction.",
		}, []string{"state", "direction"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "godwit_transfer_bytes_total",
			Help: "Bytes moved between far side and storage.",
		}, []string{"direction"}),
		refetched: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "godwit_refetched_bytes_total",
			Help: "Bytes that had to be fetched again, by reason.",
		}, []string{"reason"}),
		takeovers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "godwit_takeovers_total",
			Help: "Transfers taken over from another owner, by reason.",
		}, []string{"reason"}),
		takeover: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "godwit_takeover_seconds",
			Help:    "Time until a transfer that was taken over ran again.",
			Buckets: []float64{.1, .25, .5, 1, 2, 3, 5, 10, 15, 22, 30, 60},
		}),
		fenced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "godwit_fenced_writes_total",
			Help: "Writes refused because another owner has the record.",
		}),
		stateWrites: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "godwit_state_writes_total",
			Help: "Writes to the state store, by operation and result.",
		}, []string{"op", "result"}),
		members: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "godwit_cluster_members",
			Help: "Members of the cluster by state, as this node sees them.",
		}, []string{"state"}),
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "godwit_build_info",
		Help: "Always 1; the labels say what runs.",
	}, []string{"version", "go_version"})
	info.WithLabelValues(version, runtime.Version()).Set(1)
	m.triggers = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "godwit_group_triggers_total",
		Help: "Completion groups that triggered their task, by result.",
	}, []string{"result"})
	m.deliveries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "godwit_task_deliveries_total",
		Help: "Attempts to deliver background tasks, by result.",
	}, []string{"result"})
	m.registry.MustRegister(m.transfers, m.bytes, m.refetched, m.takeovers, m.takeover, m.fenced,
		m.stateWrites, m.members, info, m.triggers, m.deliveries,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.begin()
	return m
}

// begin makes the series that are not there yet 0: a rule about what grows shall
// see the first of it, and a rule about a series that is missing sees nothing.
func (m *metrics) begin() {
	for n, name := range pb.Transfer_Status_name {
		if n != int32(pb.Transfer_STATUS_UNSPECIFIED) {
			m.Transfers(name, "DOWNLOAD", 0)
			m.Transfers(name, "UPLOAD", 0)
		}
	}
	m.Received(0)
	m.Sent(0)
	for _, c := range []struct {
		counters *prometheus.CounterVec
		values   []string
	}{
		{m.refetched, []string{"retry", "restart"}},
		{m.takeovers, []string{"death", "release", "restart"}},
		{m.triggers, []string{"fired", "failed"}},
		{m.deliveries, []string{"ok", "failed"}},
	} {
		for _, value := range c.values {
			c.counters.WithLabelValues(value)
		}
	}
	for _, op := range []string{"create", "update", "delete"} {
		for _, result := range []string{"ok", "lost", "unknown", "error"} {
			m.stateWrites.WithLabelValues(op, result)
		}
	}
	for _, state := range []cluster.State{cluster.StateAlive, cluster.StateDraining, cluster.StateSuspect, cluster.StateDead} {
		m.members.WithLabelValues(string(state))
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Received implements [actors.Meter].
func (m *metrics) Received(n int64) { m.bytes.WithLabelValues("DOWNLOAD").Add(float64(n)) }

// Sent implements [actors.Meter].
func (m *metrics) Sent(n int64) { m.bytes.WithLabelValues("UPLOAD").Add(float64(n)) }

// Refetched implements [actors.Meter].
func (m *metrics) Refetched(reason string, n int64) {
	m.refetched.WithLabelValues(reason).Add(float64(n))
}

// Takeover implements [actors.Meter].
func (m *metrics) Takeover(reason string, after time.Duration) {
	m.takeovers.WithLabelValues(reason).Inc()
	m.takeover.Observe(after.Seconds())
}

// GroupTrigger implements [actors.Meter].
func (m *metrics) GroupTrigger(result string) { m.triggers.WithLabelValues(result).Inc() }

// TaskDelivery implements [actors.Meter].
func (m *metrics) TaskDelivery(result string) { m.deliveries.WithLabelValues(result).Inc() }

// Fenced implements [actors.Meter].
func (m *metrics) Fenced() { m.fenced.Inc() }

// StateWrite implements [actors.Meter].
func (m *metrics) StateWrite(op, result string) { m.stateWrites.WithLabelValues(op, result).Inc() }

// Transfers implements [actors.Meter].
func (m *metrics) Transfers(status, direction string, n int) {
	m.transfers.WithLabelValues(status, direction).Set(float64(n))
}
