package node

import "godwit/actors"

// Points are the steps between the end of a completion group's last member and
// its delivered task, in order. A node that is built with the tag "history" dies
// at the one that the file named by GODWIT_FAILPOINT_FILE names.
func Points() []string { return actors.Points() }
