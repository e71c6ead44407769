package completion

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// maxID is the longest id in bytes.
const maxID = 128

// TaskID is the id of a group's task: the same for every owner, so that there is
// only one. It has only letters, digits, hyphens and underscores.
func TaskID(group string) string { return derive("task_", group) }

// NotificationID is the id of the task for one of a group's notifications.
func NotificationID(group string, index int) string {
	return derive("note"+strconv.Itoa(index)+"_", group)
}

// derive puts a prefix before an id. What becomes too long gets a digest in
// place of its end and has exactly the greatest length, which no other has: so
// results differ when ids do.
func derive(prefix, id string) string {
	if len(prefix)+len(id) < maxID {
		return prefix + id
	}
	sum := sha256.Sum256([]byte(id))
	digest := "-" + hex.EncodeToString(sum[:16])
	return prefix + id[:maxID-len(prefix)-len(digest)] + digest
}

// retryMark stands between an id and the number of the retry.
const retryMark = "-r"

// RetryID is the id of the group that retries another: id-r1, and id-r2 for the
// one that retries that.
func RetryID(parent Spec) string {
	base, number := parent.ID, 0
	if i := strings.LastIndex(base, retryMark); i > 0 && parent.Parent != "" {
		if n, err := strconv.Atoi(base[i+len(retryMark):]); err == nil {
			base, number = base[:i], n
		}
	}
	// Room for a million retries.
	const room = len(retryMark) + 6
	if len(base) > maxID-room {
		sum := sha256.Sum256([]byte(base))
		digest := "-" + hex.EncodeToString(sum[:8])
		base = base[:maxID-room-len(digest)] + digest
	}
	return base + retryMark + strconv.Itoa(number+1)
}
