package s3

import (
	"net/url"
	"strings"
)

// ParseURL reads the URL form of a state store:
//
//	s3://bucket/prefix?endpoint=http://127.0.0.1:7070&region=us-east-1
//
// The prefix is optional, so are both query keys; other keys, a repeated key,
// credentials, a port and a fragment are refused with ErrInvalid. The error
// never repeats the URL.
func ParseURL(raw string) (Config, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Config{}, invalid("parse", "store url", "is not a URL")
	}
	switch {
	case u.Scheme != "s3":
		return Config{}, invalid("parse", "store url", "must start with s3://")
	case u.User != nil:
		return Config{}, invalid("parse", "store url", "must not hold credentials")
	case u.Port() != "" || strings.HasSuffix(u.Host, ":"):
		return Config{}, invalid("parse", "store url", "holds a port; name the server with ?endpoint=")
	case u.Fragment != "" || u.Opaque != "":
		return Config{}, invalid("parse", "store url", "must be s3://bucket/prefix")
	}
	if err := ValidateBucket(u.Host); err != nil {
		return Config{}, err
	}
	cfg := Config{Bucket: u.Host, Prefix: strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")}
	if err := validatePrefix(cfg.Prefix); err != nil {
		return Config{}, err
	}
	return cfg, cfg.query(u.RawQuery)
}

// query fills in what the query of a store URL says.
func (c *Config) query(raw string) error {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return invalid("parse", "store url", "has a malformed query")
	}
	for key, values := range q {
		if len(values) != 1 || values[0] == "" {
			return invalid("parse", "store url", "repeats or leaves empty a query key")
		}
		switch key {
		case "endpoint":
			c.Endpoint = values[0]
		case "region":
			c.Region = values[0]
		default:
			return invalid("parse", "store url", "has a query key other than endpoint and region")
		}
	}
	if !isRegion(c.Region) {
		return invalid("parse", "store url", "has a malformed region")
	}
	_, _, err = c.withDefaults().endpoint()
	return err
}

// isRegion tells whether s can stand in a signature's scope.
func isRegion(s string) bool {
	if len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLower(c) && !isDigit(c) && c != '-' {
			return false
		}
	}
	return true
}
