// Package command runs the commands that a node's configuration names, for tasks
// of completion groups.
//
// Who asks for a command chooses its name and nothing else. Arguments and
// environment are those of the configuration, there is no shell, and what the
// task is about comes as JSON on standard input. The file is looked at when the
// configuration is loaded and again before each run: one that was replaced
// since is not run.
//
// A command has a process group of its own. When its time is over, or its node
// stops, the group gets SIGTERM and five seconds later SIGKILL; whatever it has
// left in its group when it ends is killed too. A process that leaves the group
// (setsid) is out of reach. When the node itself is killed, the kernel kills the
// command, but not what that has started.
//
// Commands run with the rights of the node. Those that should have fewer change
// them themselves. They run on Linux only.
package command
