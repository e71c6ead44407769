// Package mesh lets the nodes of one cluster ask each other: a request, and an
// answer or an error that says whether the request may have been carried out.
// It runs over protoactor-go's remote, with an actor system of its own.
//
// It owns the connections between nodes, the calls that wait and the bound on
// requests being carried out. It never decides whom to ask, never asks twice,
// and knows nothing of transfers: what a kind means is the handler's business.
//
// # What a peer can do
//
// With TLS a peer is whoever has a certificate of the configured authority;
// without, whoever reaches the port. It can send requests and answers, name any
// address for the answer to go to, and nothing else: connections are inspected
// before the library sees a message, and one that carries another type, another
// target than the two below or a header ends. So no peer stops, watches or
// spawns an actor here, has something relayed, or ends the process.
//
// # How the library is used
//
// Two processes are registered in the actor system: "gate" takes requests,
// "reply" takes answers. They are plain [actor.Process] values and not actors,
// so they have no mailbox, cannot be stopped and answer in one goroutine less.
//
// The library is left alone where it works and held on a short lead where it
// does not. It sleeps two seconds after a failed connect, forgets requests when
// a connection breaks, may tear down a new connection for the end of an old one,
// and races when it shuts down. All this follows from errors of its stream. So
// the stream it gets, type outbound, has none: it always connects, takes
// everything, and ends by the event that we publish, once, when the library
// knows the connection. See also library.go for how it is started.
package mesh
