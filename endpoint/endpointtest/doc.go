// Package endpointtest is a far side that misbehaves on command: an [Origin] to
// download from, and a [Sink] to upload to.
//
// The origin serves content that is computed, never stored: every byte is a
// function of (seed, generation, offset), so that any file made from it can be
// verified, and a mix of two generations or a shifted range is named exactly. It
// listens on a real loopback socket, keeps a ledger of what it served to whom,
// and lets a test change its [Behavior] while transfers run. The sink remembers
// what came to each path, and strikes requests with a [SinkFault].
//
// Neither decides whether a client did right: tests read the ledger and judge.
package endpointtest
