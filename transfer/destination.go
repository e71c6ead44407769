package transfer

import (
	"net/netip"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"
)

// The schemes of destinations.
const (
	fileScheme = "file://"
	s3Scheme   = "s3://"
)

// maxKey is the longest object key in bytes.
const maxKey = 1024

// ReservedPrefix is where records lie in a bucket unless configured otherwise.
const ReservedPrefix = "_godwit/"

// Location is a destination taken apart.
type Location struct {
	// Bucket is empty for a file.
	Bucket string
	// Key is the object's key, or the absolute path of the file.
	Key string
}

// Name is the object's name within its store.
func (l Location) Name() string {
	if l.Bucket == "" {
		return l.Key
	}
	return l.Bucket + "/" + l.Key
}

// String is the canonical destination.
func (l Location) String() string {
	if l.Bucket == "" {
		return fileScheme + l.Key
	}
	return s3Scheme + l.Name()
}

// ParseDestination reads file:///absolute/path or s3://bucket/key. What follows
// the two slashes is taken literally: no escapes, no wildcards, no variables.
// A path comes back clean. Errors name the field and carry dest.invalid or one
// of path.escape, path.invalid, bucket.invalid, key.invalid and key.reserved.
func ParseDestination(raw, field string) (Location, *Error) {
	return parseLocation(raw, field, newNameTrouble)
}

// ParseSource is [ParseDestination] for what is there already: its name need not
// be one that every system can hold.
func ParseSource(raw, field string) (Location, *Error) {
	return parseLocation(raw, field, nameTrouble)
}

func parseLocation(raw, field string, trouble func(name string) string) (Location, *Error) {
	scheme, rest, found := strings.Cut(raw, "://")
	switch {
	case found && strings.EqualFold(scheme, "file"):
		p, err := cleanPath(rest, field, trouble)
		return Location{Key: p}, err
	case found && strings.EqualFold(scheme, "s3"):
		return parseS3(rest, field)
	}
	return Location{}, invalid(CodeDestInvalid, field, "it must be file:///absolute/path or s3://bucket/key")
}

func parseS3(rest, field string) (Location, *Error) {
	bucket, key, _ := strings.Cut(rest, "/")
	if !validBucket(bucket) {
		return Location{}, invalid(CodeBucket, field,
			"a bucket name is 3 to 63 lower-case letters, digits, dots and hyphens, and no IP address")
	}
	if key == "" || len(key) > maxKey {
		return Location{}, invalid(CodeKey, field, "an object key is 1 to %d bytes", maxKey)
	}
	if !utf8.ValidString(key) || strings.ContainsFunc(key, unprintable) {
		return Location{}, invalid(CodeKey, field, "an object key is UTF-8 without control characters")
	}
	if KeyUnder(key, ReservedPrefix) {
		return Location{}, invalid(CodeKeyReserved, field, "keys under %s are godwit's own", ReservedPrefix)
	}
	return Location{Bucket: bucket, Key: key}, nil
}

// validBucket follows the general purpose bucket naming rules of Amazon S3.
func validBucket(b string) bool {
	if len(b) < 3 || len(b) > 63 || !only(b, ".-") || b != strings.ToLower(b) {
		return false
	}
	if !only(b[:1]+b[len(b)-1:], "") || strings.Contains(b, "..") ||
		strings.Contains(b, ".-") || strings.Contains(b, "-.") {
		return false
	}
	_, err := netip.ParseAddr(b)
	return err != nil
}

// KeyUnder tells whether a key lies under a prefix, or might to a store or a
// proxy that decodes escapes, cleans paths or ignores case.
func KeyUnder(key, prefix string) bool {
	prefix = strings.ToLower(strings.Trim(prefix, "/"))
	if prefix == "" {
		return false
	}
	for {
		clean := strings.ToLower(strings.TrimPrefix(path.Clean("/"+key), "/"))
		if clean == prefix || strings.HasPrefix(clean, prefix+"/") {
			return true
		}
		decoded, err := url.PathUnescape(key)
		if err != nil || decoded == key {
			return false
		}
		key = decoded
	}
}
