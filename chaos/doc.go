// Package chaos proves on real processes what the other packages promise: it
// builds the godwit binary, runs it against origins and stores that it owns,
// kills it, and judges what is left.
//
// It owns faults, workloads and verdicts. It knows godwit only as its users do,
// by command line and API, and by the records that it leaves; nothing imports
// it.
//
// # Clusters
//
// [StartCluster] runs nodes with fixed names and addresses over one store. A
// [Node] can be killed, paused, restarted and asked to end; a [Cluster] submits
// transfers to random live nodes, finds owners, and waits. [Cluster.Strike]
// makes a fault and remembers what was running where, [Cluster.Follow] measures
// until it runs again, and [Cluster.Judge] holds everything against what was
// promised: all transfers completed, with the origin's content; no more fetched
// again than the faults explain; no complaint in any log; and the history.
//
// # Histories
//
// A node built with the tag "history" appends each attempt to write a record to
// the file that GODWIT_HISTORY_FILE names, before and after it asks the store.
// Package [godwit/chaos/history] merges them with what the harness saw, package
// [godwit/chaos/check] judges them, package [godwit/chaos/timeline] draws them.
//
// # The mix
//
// [RunMix] has random nemeses, rows of [Nemeses], strike a cluster under a load of
// all that it does, for as long as it is told to. What happens is recorded in one
// history (package history) and held against every promise (package check):
//
//	go run ./chaos/cmd/chaos -duration 1h -seed 7
//
// It uses the API as users do and knows nothing of when a takeover is over: kills
// do not wait for it. To add a nemesis, write its function beside the others and a
// row; it decides by dice only, takes the nodes that it strikes in hand, and
// returns how the fault is made and undone.
//
// Where nodes run is a [Driver]: processes on loopback, or in network namespaces,
// which can be held apart ([Links]).
//
// # Scenarios
//
// A [Scenario] is a function that strikes a cluster, and a row of [Scenarios].
// Few and short faults run with the tests. A person runs more:
//
//	go run ./chaos/cmd/chaos -scenario kill -nodes 3 -store s3 -kills 50 -duration 10m -seed 7
//
// and is told of progress and, at the end, in a [Report], of distributions and
// of every broken promise; -h lists the flags and the scenarios. The seed
// repeats the decisions of the harness, not those of the machine. Logs and
// histories are kept when a promise was broken.
//
// Two scenarios are about sets of transfers. complete has a node die at each step
// between the end of a completion group's last member and its delivered task, and
// counts at the receiver. group kills nodes under a serialized transfer group, and
// looks at the origins for two members that are served at a time.
//
// To add one, write its function beside the others, with Cluster.run if it is a
// fault that is repeated: it keeps the load up, calls the function for each
// fault, and judges in the end. Add a row to Scenarios; the tests put it on too.
// Its defaults are for a person who watches, the tests' are in quick of
// scenario_test.go. Strike through Cluster.Strike, or what is fetched again
// counts as unexplained, and wait with deadlines only: how long something took
// belongs into the report.
package chaos
