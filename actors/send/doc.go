// Package send is the data plane of one running upload: it reads the content
// from stores, hands it to the far side's protocol, and knows the CRC-64/NVME of
// everything that the far side has confirmed.
//
// It owns the open sources, the checksums and the counters of one run, from the
// moment an upload begins to be sent until it halts. What it finds out it
// returns or reports as events; it never decides what a failure means for the
// transfer, never writes a record, never changes or removes a source, and never
// sends anything but the content as it was when the transfer was created.
package send
