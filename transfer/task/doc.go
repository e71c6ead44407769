// Package task says how a background task advances: when it is tried, when it
// is given up, and what is kept of its attempts. It is pure, as package transfer
// is: who carries attempts out is not its concern.
//
// # Life of a task
//
//	             Due                  Delivered
//	PENDING ───────────► RUNNING ───────────────► SUCCEEDED
//	   ▲                  │   │ the plan is spent,     │
//	   └── failed, or ────┘   │ or hopeless            │
//	       interrupted        └──────► DEAD_LETTER     │
//	   ▲                                   │           │
//	   └───────────── Redeliver ───────────┴───────────┘
//
// A plan is ten attempts in 75.5 hours, or five of a command. Almost every
// failure follows it, also those that a transfer takes for permanent: in three
// days certificates, names and receivers get repaired.
//
// # Invariants
//
//   - Apply is the only function that changes a State; equal states, events and
//     contexts give equal results.
//   - An attempt to run a command is recorded before it is made, so that one
//     that takes its node down counts. All else is recorded only when it has an
//     outcome: a request may be made once more after a crash, under the same id.
//     So a task costs at most four records and one for each attempt.
//   - The phases at the end stay, except under Redeliver. Whoever triggered the
//     task is told each time one of them is reached or found.
//   - No error of this package holds a URL's query, a secret or a body.
package task
