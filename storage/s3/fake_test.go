package s3_test

import (
	"crypto/rand"
	"testing"

	"godwit/storage"
	"godwit/storage/s3"
	"godwit/storage/s3/s3test"
	"godwit/storage/storagetest"
)

func TestRecordsOnFake(t *testing.T) {
	f := s3test.NewFake(t)
	storagetest.Records(t, func(t *testing.T) storage.RecordStore {
		return openRecords(t, s3.Config{Endpoint: f.Endpoint, Bucket: "records", Prefix: newPrefix()})
	})
}

func TestObjectsOnFake(t *testing.T) {
	storagetest.Objects(t, func(t *testing.T) storagetest.ObjectFixture {
		f := s3test.NewFake(t)
		cfg := s3.Config{Endpoint: f.Endpoint}
		return storagetest.ObjectFixture{
			Store: openObjects(t, cfg), Second: openObjects(t, cfg),
			NewName:   func(*testing.T) string { return "bucket/dir/object " + rand.Text() },
			Leftovers: func(*testing.T) []string { return f.Uploads() },
			BadNames:  badNames,
		}
	})
}
