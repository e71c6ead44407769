package node

import (
	"cmp"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"godwit/storage"
	"godwit/storage/dir"
	"godwit/storage/s3"
	"godwit/transfer"
)

// stateStore is a state store URL taken apart: a folder, or a place in S3.
type stateStore struct {
	// dir is an absolute path, or "" for S3.
	dir string
	s3  s3.Config
}

// parseStateStore reads dir:///abs/path, percent-encoded where it must be, or
// s3://bucket/prefix?endpoint=…. The error never repeats the URL.
func parseStateStore(raw string) (stateStore, error) {
	switch scheme, rest, _ := strings.Cut(raw, "://"); scheme {
	case "dir":
		folder, err := url.PathUnescape(rest)
		if err != nil || !filepath.IsAbs(folder) || strings.ContainsAny(rest, "?#") || strings.Contains(folder, "\x00") {
			return stateStore{}, wrong("state-store", "write dir:///absolute/path, with %%25 for a percent sign, %%23 for # and %%3F for a question mark")
		}
		return stateStore{dir: filepath.Clean(folder)}, nil
	case "s3":
		cfg, err := s3.ParseURL(raw)
		if err != nil {
			return stateStore{}, &ConfigError{Key: "state-store", Message: "is not acceptable", Err: err}
		}
		return stateStore{s3: cfg}, nil
	}
	return stateStore{}, wrong("state-store", "must begin with dir:// or s3://")
}

// openRecords opens the record store.
func (s stateStore) openRecords() (storage.RecordStore, error) {
	if s.dir == "" {
		return s3.OpenRecords(s.s3)
	}
	return dir.OpenRecords(dir.Config{Root: s.dir})
}

// objectConfig is how s3:// sources and destinations are reached: where the
// state store is, otherwise where the environment says.
func (s stateStore) objectConfig(pool *storage.BufferPool) s3.Config {
	cfg := s3.Config{Pool: pool}
	if s.dir == "" {
		cfg.Endpoint, cfg.Region = s.s3.Endpoint, s.s3.Region
		cfg.Reserved = path.Join(s.s3.Bucket, s.s3.Prefix)
		return cfg
	}
	cfg.Endpoint = cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
	cfg.Region = cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
	return cfg
}

// spoolSuffix makes of the place of the records that of the sources which the
// node writes itself: beside them in S3, where all below their prefix is theirs,
// and in a folder of its own among the files.
const (
	spoolFolder = "spool"
	spoolSuffix = "-spool"
)

// spool is where spooled sources lie: a URL that ends in a slash. It is "" for a
// store that has a bucket for itself.
func (s stateStore) spool() string {
	switch {
	case s.dir != "":
		return "file://" + s.spoolDir() + "/"
	case s.s3.Prefix == "":
		return ""
	}
	return "s3://" + path.Join(s.s3.Bucket, s.s3.Prefix) + spoolSuffix + "/"
}

// spoolDir is the folder of spooled sources, "" for none.
func (s stateStore) spoolDir() string {
	if s.dir == "" {
		return ""
	}
	return filepath.Join(s.dir, spoolFolder)
}

// underSpool tells whether a canonical place is below that of spooled sources, or
// might be to a store that reads names freely.
func underSpool(place, spool string) bool {
	object, isS3 := strings.CutPrefix(spool, "s3://")
	if !isS3 {
		return strings.HasPrefix(place, spool)
	}
	bucket, under, _ := strings.Cut(object, "/")
	key, same := strings.CutPrefix(place, "s3://"+bucket+"/")
	return same && transfer.KeyUnder(key, under)
}

// shown is the store as a URL without credentials: parseStateStore reads that of
// a folder.
func (s stateStore) shown() string {
	if s.dir != "" {
		return (&url.URL{Scheme: "dir", Path: s.dir}).String()
	}
	return "s3://" + path.Join(s.s3.Bucket, s.s3.Prefix)
}
