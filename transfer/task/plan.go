package task

import (
	"time"

	"godwit/transfer"
)

// maxAttempts is how many attempts a plan has, and maxExecAttempts how many of
// them a command gets, which costs more than a request.
const (
	maxAttempts     = 10
	maxExecAttempts = 5
)

// maxRetryAfter bounds what a receiver may ask us to wait.
const maxRetryAfter = 24 * time.Hour

// jitter is by how much a wait is made shorter or longer at random, so that
// what one outage has stopped does not come back as one.
const jitter = 0.1

// waits are those before each attempt, the schedule that Standard Webhooks
// suggests: 75.5 hours in all.
var waits = [maxAttempts]time.Duration{
	0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
	5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// budget is how many attempts a plan of this kind of task has.
func (k Kind) budget() int {
	if k == Exec {
		return maxExecAttempts
	}
	return maxAttempts
}

// recorded tells the kinds whose attempts are written down before they are
// made: a command that takes its node down with it must not run for ever. A
// request is only repeated, which receivers expect, and so costs no write.
func (k Kind) recorded() bool { return k == Exec }

// pause is how long to wait after so many failed attempts of a plan. A receiver
// may ask for longer, up to a day; not for less, or its ten attempts would be
// spent before it is repaired.
func pause(failed int, asked time.Duration, random float64) time.Duration {
	wait := waits[min(failed, maxAttempts-1)]
	wait += time.Duration((2*random - 1) * jitter * float64(wait))
	return max(wait, min(asked, maxRetryAfter))
}

// hopeless tells failures after which nothing is tried any more: a receiver that
// wants no more deliveries, and a transfer that can never be created. All other
// failures follow the plan, those that are permanent for a transfer too:
// certificates, names and receivers get repaired in hours.
func hopeless(k Kind, err *transfer.Error) bool {
	switch {
	case err.Code == transfer.CodeWebhookGone:
		return true
	case k == Submit && err.Code.Class() == transfer.Refused:
		// Those two pass when others end.
		return err.Code != transfer.CodeQuota && err.Code != transfer.CodeDestBusy
	}
	return false
}
