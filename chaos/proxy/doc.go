// Package proxy owns the way from nodes to an HTTP server: what passes is
// written down, and goes wrong where a rule says so.
//
// A proxy stands in front of one server, an S3 store or, with
// [Options.Plain], any other, and has one address for each node
// ([Proxy.Listen]). So it knows who asks, and can cut one node off
// ([Proxy.Cut]). It forwards the Host header as it came, since signatures cover
// it; clients must speak path-style. It keeps nothing and answers nothing
// by itself but errors: what a client is told otherwise is the server's. Interim
// answers (1xx) are not passed on.
//
// # Rules
//
// [Proxy.Set] replaces all rules. Of each call the first rule that matches and
// strikes decides:
//
//	p.Set(
//		proxy.Rule{Ops: []string{"put"}, Scope: proxy.State, Chance: 0.05, Do: proxy.Lose},
//		proxy.Rule{Nodes: []string{"n2"}, Do: proxy.Refuse, Status: 503, Code: "SlowDown"},
//	)
//
// Random decisions come from one seed; which call meets which decision depends
// on when nodes call.
//
// # Events
//
// Of each call to a store one [history.Store] is written down when its caller
// was told, or was left without an answer. It began when the request's header
// had arrived and ended when the store had answered. A record's key is the one
// below the prefix of the state store, as nodes call it; that of a result is
// "bucket/key". A plain proxy writes down a [history.Serve] for each GET, with
// the last element of the path as its id.
package proxy
