// Command bench compares whole processes: godwit beside curl, wget2, aria2 and
// rclone, on this machine, from origins on loopback.
//
//	go run ./bench                    every row of the speed scenario
//	go run ./bench -row disk,rtt      some rows
//	go run ./bench -scale 0.01        a smoke run of seconds
//	go run ./bench -scenario kill     kill -9 at half, then the same command again
//
// # What is measured
//
// Each run is a process of its own with an empty destination and empty state.
// Wall time is from its start to its end; CPU time (user and system) and the
// peak of resident memory are what the kernel accounted to it and to the
// children it waited for. (The kernel also counts what was resident before the
// program was loaded, which is this one: peaks below its own, which the report
// tells, cannot be told apart.) Servers are other processes and not counted, but they
// share the machine's processors with the tool. Runs are interleaved, so that a
// slow minute of the machine hits all tools alike, dirty pages are written out
// before each, and what a run left is compared with what was served. The tables
// hold medians.
//
// Units are decimal: MB is 10^6 bytes, GB is 10^9. Sizes of files are binary.
//
// # The origins
//
// nginx serves files, plain and over TLS, and with its rate capped for each
// connection. A distant origin is nginx behind a relay that delays both
// directions and holds as many bytes in flight as a TCP connection of that
// round trip would ([relay]). The kill scenario has an origin of its own that
// makes its content and counts what it serves ([counter]).
package main
