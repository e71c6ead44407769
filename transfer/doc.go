// Package transfer says what a transfer is and how it advances. It decides and
// never acts: no I/O, goroutine, clock or randomness. What it needs of the
// world arrives in events, what it wants of the world leaves as effects, and
// the actor around it only carries those out.
//
// # Life of a transfer
//
//	           Start            Granted
//	IDLE ──────────────► QUEUED ─────────► RUNNING ──► VERIFYING ──► COMPLETING ──► COMPLETED
//	                      ▲  ▲               │ │           │             │
//	                      │  └─ failed, ─────┘ │           │             │ upload or part lost:
//	               Resume │     or revoked     │           │             │ back to QUEUED
//	                      │                    │           │             │
//	                    PAUSED ◄── Pause ──────┴───────────┘             │
//	                      │                                              │
//	                      └── Cancel, from any phase before ──► CANCELED │
//	                          COMPLETING                                 │
//	                          given up, mismatch, refused ──► FAILED ◄───┘
//	                                                            │
//	                                                 Retry: QUEUED again
//
// VERIFYING is passed over unless a digest is wanted that was not computed
// while the bytes arrived. From COMPLETING on only the object store decides:
// the outcome of publishing may be unknown, so there is no pause, and a cancel
// counts only if publishing certainly fails.
//
// # Life of an upload
//
// An upload has the same commands and phases but VERIFYING and COMPLETING: what
// it sends is seen by the far side alone, which says that it has all of it.
//
//	Granted ──► [Digest] ──► [Probe] ──► [OpenSession, recorded] ─┐
//	               │            [FindSession, if there is one] ───┤
//	               │ mismatch                                     ▼
//	               ▼                        back to QUEUED ◄──── Send ──► Answered: COMPLETED
//	             FAILED ◄── in doubt, refused, source changed ────┘
//
// What is in brackets is done where it is needed: the digest if one is declared or
// wanted, the probe unless a protocol was asked for. A far side with sessions is
// asked what it has before more is sent; one that has forgotten it, or has less
// than before, is sent everything again, at most three times. One that cannot be
// asked gets everything in one request, which is recorded before it is made. If
// nobody knows what came of it, it is in doubt, and repeated only if the method is
// idempotent, it has an idempotency key, or the user allows it.
//
// # Invariants
//
//   - Apply is the only function that changes a State; equal states, events and
//     contexts give equal results.
//   - Effects that follow a Persist wait until the record is written. What must
//     be removed is recorded before it is removed.
//   - A generation is one version of the content. Each has an upload of its own,
//     so that parts of two versions never meet.
//   - Complete is asked for only when the ledger covers the plan without gap or
//     overlap, and the digest, where one is declared, is right.
//   - Every upload begun is published or removed in the end, or kept by a failed
//     transfer that Retry can go on with.
//   - A request in doubt that must not be repeated is made once, whatever fails.
//   - The bytes that a far side is known to have do not become fewer, unless a
//     restart is counted.
//   - Terminal phases stay, except FAILED under Retry.
//   - No error of this package holds a URL's userinfo or query, a header's value
//     or a body.
//
// # Words
//
//   - Spec: what a user asked for, in the one form that [Normalize] gives it.
//   - Source, mirror: where the bytes come from. Destination: where they go.
//   - Validator: what the far side sends to tell versions of content apart.
//   - Plan: how content is cut into numbered parts. Ledger: which are stored.
//   - Upload: an object under construction, seen by nobody until it is complete;
//     or a transfer in that direction.
//   - Session: the resource that a far side makes for an upload.
//   - Content: the bytes that an upload sends, a source or a form.
//   - Dispatcher: decides which connection fetches which parts. Tuner: decides
//     how many connections there are.
//   - Code: the stable name of a failure. Class: what it means for the transfer.
package transfer
