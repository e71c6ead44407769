package endpoint

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retryAfter is how long a Retry-After value asks to wait: seconds or a date,
// at most most, 0 when it says nothing understood. A date is counted from the
// far side's own date, if it sent one, so that its clock does not matter.
func retryAfter(h http.Header, now time.Time, most time.Duration) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if strings.Trim(v, "0123456789") == "" {
		seconds, err := strconv.ParseInt(v, 10, 64)
		if err != nil || seconds > int64(most/time.Second) {
			return most
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), most)
}
