package actors

import "time"

// What an admission asks the keepers of hosts for, and does with their answers.

// askPatience is how long a keeper may take to answer before a host is used
// without it.
const askPatience = time.Second

// mustAsk tells that a host's keeper has not said yet how many connections this
// node may open.
func (a *admission) mustAsk(host string, now time.Time) bool {
	if l, ok := a.leases[host]; !a.clustered || ok && l.until.After(now) {
		return false
	}
	since, ok := a.asked[host]
	if !ok {
		a.asked[host], a.toAsk = now, append(a.toAsk, host)
		return true
	}
	return now.Sub(since) < askPatience
}

// unanswered counts the hosts whose keepers may still answer in time.
func (a *admission) unanswered(now time.Time) int {
	n := 0
	for _, since := range a.asked {
		if now.Sub(since) < askPatience {
			n++
		}
	}
	return n
}

// leased takes in what a keeper grants.
func (a *admission) leased(l linkLease, now time.Time) {
	delete(a.asked, l.host)
	if l.connections == 0 && a.perHost[l.host] == 0 && a.queued[l.host] == 0 {
		a.hold(l.host, l.busy)
		return // nothing to give back
	}
	a.leases[l.host] = hostLease{l.connections, now.Add(linkTTL)}
	a.unblock(l.host, now)
	a.hold(l.host, l.busy)
	a.left = append(a.left, l.host)
}

// demands are the hosts that this node has or wants connections to, and those that
// asked to be left alone, of which other nodes hear from their keepers.
func (a *admission) demands(now time.Time) []linkDemand {
	var out []linkDemand
	for host := range a.perHost {
		out = append(out, a.demand(host, now))
	}
	for host := range a.asked {
		a.addWaiting(&out, host, now)
	}
	for host := range a.leases {
		a.addWaiting(&out, host, now)
	}
	for host, until := range a.busy {
		switch {
		case !until.After(now):
			delete(a.busy, host)
		case a.perHost[host] == 0 && a.queued[host] == 0:
			out = append(out, a.demand(host, now))
		}
	}
	return out
}

// addWaiting adds a host for which nothing runs, and gives back what nothing
// waits for either.
func (a *admission) addWaiting(out *[]linkDemand, host string, now time.Time) {
	switch {
	case a.perHost[host] > 0:
	case a.queued[host] > 0:
		*out = append(*out, a.demand(host, now))
	default:
		a.giveBack(out, host, now)
	}
}

// giveBack adds a demand for nothing if there is a lease that nothing needs:
// other nodes may wait for it.
func (a *admission) giveBack(out *[]linkDemand, host string, now time.Time) {
	_, leased := a.leases[host]
	_, asked := a.asked[host]
	if !leased && !asked || a.perHost[host] > 0 || a.queued[host] > 0 {
		return
	}
	*out = append(*out, a.demand(host, now))
	delete(a.asked, host)
	delete(a.leases, host)
}

func (a *admission) demand(host string, now time.Time) linkDemand {
	d := linkDemand{host: host, running: a.perHost[host], transfers: a.perHost[host] + a.queued[host]}
	if until := a.busy[host]; until.After(now) {
		d.busy = until
	}
	return d
}

// takeAsked are the demands that cannot wait.
func (a *admission) takeAsked(now time.Time) []linkDemand {
	var out []linkDemand
	for _, host := range a.toAsk {
		out = append(out, a.demand(host, now))
	}
	for _, host := range a.left {
		a.giveBack(&out, host, now)
	}
	a.toAsk, a.left = nil, nil
	return out
}
