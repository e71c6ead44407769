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
//   - Upload: an object under construction, seen by nobody until it is complete.
//   - Dispatcher: decides which connection fetches which parts. Tuner: decides
//     how many connections there are.
//   - Code: the stable name of a failure. Class: what it means for the transfer.
package transfer
