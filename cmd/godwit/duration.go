package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// longSpan is a duration with weeks or days in front of Go's own.
var longSpan = regexp.MustCompile(`^(?:([0-9]{1,4})w)?(?:([0-9]{1,5})d)?(.*)$`)

// parseDuration reads a positive duration as Go writes it, with w and d besides:
// "90m", "7d", "1w2d12h".
func parseDuration(s string) (time.Duration, error) {
	refused := fmt.Errorf("%q is no time such as 90m, 24h or 7d", s)
	m := longSpan.FindStringSubmatch(s)
	if m == nil {
		return 0, refused
	}
	var d time.Duration
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return 0, refused
		}
		d += time.Duration(n) * unit
	}
	if m[3] != "" {
		rest, err := time.ParseDuration(m[3])
		if err != nil || rest < 0 {
			return 0, refused
		}
		d += rest
	}
	if d <= 0 {
		return 0, refused
	}
	return d, nil
}
