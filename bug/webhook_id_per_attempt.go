//go:build seeded && bug_webhook_id_per_attempt

package bug

// Seeded is the bug that this program has.
const Seeded = WebhookIDPerAttempt
