package s3_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"godwit/storage"
	"godwit/storage/s3"
	"godwit/storage/s3/s3test"
	"godwit/storage/storagetest"
)

// keys are what the servers of s3test accept.
var keys = s3.Keys{ID: s3test.AccessKey, Secret: s3test.SecretKey}

// poolBytes is enough for the parts that a test has in flight.
const poolBytes = 128 << 20

func openRecords(t testing.TB, cfg s3.Config) *s3.Records {
	t.Helper()
	cfg.Keys = keys
	store, err := s3.OpenRecords(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func openObjects(t testing.TB, cfg s3.Config) *s3.Objects {
	t.Helper()
	cfg.Keys = keys
	if cfg.Pool == nil {
		cfg.Pool = storage.NewBufferPool(poolBytes)
	}
	store, err := s3.OpenObjects(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// newPrefix is lower case and unique, fit for buckets and prefixes.
func newPrefix() string { return "t-" + strings.ToLower(rand.Text()) }

func TestRecordsOnVersity(t *testing.T) {
	v := s3test.StartVersity(t)
	storagetest.Records(t, func(t *testing.T) storage.RecordStore {
		return openRecords(t, s3.Config{Endpoint: v.Endpoint, Bucket: v.Bucket(t, newPrefix()), Prefix: "state/a"})
	})
}

func TestObjectsOnVersity(t *testing.T) {
	v := s3test.StartVersity(t)
	storagetest.Objects(t, func(t *testing.T) storagetest.ObjectFixture {
		bucket := v.Bucket(t, newPrefix())
		cfg := s3.Config{Endpoint: v.Endpoint}
		return storagetest.ObjectFixture{
			Store: openObjects(t, cfg), Second: openObjects(t, cfg),
			NewName:   func(*testing.T) string { return bucket + "/dir/object " + rand.Text() },
			Leftovers: func(t *testing.T) []string { return v.Uploads(t, bucket) },
			BadNames:  badNames,
		}
	})
}

// badNames are names that no S3 object has.
var badNames = []string{
	"", "bucket", "bucket/", "/key", "Bucket/key", "bu/key", "buc..ket/key", "10.0.0.1/key",
	"bucket/a\nb", "bucket/\xff", "bucket/" + strings.Repeat("k", s3.MaxKey+1),
}
