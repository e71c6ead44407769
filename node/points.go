package node

import "godwit/actors"

// Points are the steps between the end of a completion group's last member and
// its delivered task, in order. A node that is built with the tag "history" dies
// at the one that the file named by GODWIT_FAILPOINT_FILE names.
func Points() []string { return actors.Points() }

// The steps around what a store is asked for: such a node dies there, too.
const (
	// pointRecordAsked: a record is about to be written; pointRecordWritten: it was,
	// and nobody knows yet.
	pointRecordAsked   = "record-asked"
	pointRecordWritten = "record-written"
	// pointUploadBegun: a result has an upload that no record names.
	pointUploadBegun = "upload-begun"
	// pointPartAsked and pointPartStored: the same for a part of a result.
	pointPartAsked  = "part-asked"
	pointPartStored = "part-stored"
	// pointResultAsked and pointResultPublished: and for its publication, in a
	// folder a rename.
	pointResultAsked     = "result-asked"
	pointResultPublished = "result-published"
	// pointAbortAsked: what was stored is about to be removed.
	pointAbortAsked = "abort-asked"
)

// StorePoints are all of these.
func StorePoints() []string {
	return []string{
		pointRecordAsked, pointRecordWritten, pointUploadBegun, pointPartAsked, pointPartStored,
		pointResultAsked, pointResultPublished, pointAbortAsked,
	}
}
