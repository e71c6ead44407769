package s3

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"godwit/storage"
)

func TestValidateBucket(t *testing.T) {
	for _, good := range []string{"abc", "my-bucket", "a.b.c", "0bucket9", "a--b", strings.Repeat("b", 63), "1.2.3", "1.2.3.400"} {
		if err := ValidateBucket(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "ab", "AB", "aBc", "a..b", "1.2.3.4", strings.Repeat("b", 64), "-xx", "xx-", ".xx", "xx.",
		"a_b", "a b", "a/b", "é-bucket", "a\x00b", "::1", "bucket\n",
	} {
		if err := ValidateBucket(bad); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("%q: got %v, want %v", bad, err, storage.ErrInvalid)
		}
	}
}

func TestValidateKey(t *testing.T) {
	for _, good := range []string{
		"k", "/x", "a//b", "../x", ".", "a/", "a b", "a%2eb", "é/ü", strings.Repeat("k", MaxKey), "*?\\\"'", "_godwit",
	} {
		if err := ValidateKey(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", " ", strings.Repeat("k", MaxKey+1), strings.Repeat("é", 513), "a\x00b", "a\nb", "a\x1bb", "a\x7fb",
		"\xff", "a\xc3", "a\u0085b", "a\u2028b", "a\ufffeb",
	} {
		if err := ValidateKey(bad); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("%q: got %v, want %v", bad, err, storage.ErrInvalid)
		}
	}
}

func FuzzSplitName(f *testing.F) {
	for _, seed := range []string{"bucket/key", "bucket//x", "bucket/../x", "b/k", "bucket", "bucket/\xff", "1.2.3.4/k"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		bucket, key, err := SplitName(name)
		if err != nil {
			if !errors.Is(err, storage.ErrInvalid) {
				t.Fatalf("%q: %v", name, err)
			}
			return
		}
		if bucket+"/"+key != name || strings.ContainsAny(name, "\x00\r\n") || len(key) > MaxKey {
			t.Fatalf("%q became %q and %q", name, bucket, key)
		}
	})
}

func TestParseURL(t *testing.T) {
	for raw, want := range map[string]Config{
		"s3://bucket":         {Bucket: "bucket"},
		"s3://bucket/":        {Bucket: "bucket"},
		"s3://bucket/a/b":     {Bucket: "bucket", Prefix: "a/b"},
		"s3://bucket/prefix/": {Bucket: "bucket", Prefix: "prefix"},
		"s3://bucket/prefix?endpoint=http://127.0.0.1:7070&region=us-east-1": {
			Bucket: "bucket", Prefix: "prefix", Endpoint: "http://127.0.0.1:7070", Region: "us-east-1",
		},
		"s3://my.bucket?endpoint=https%3A%2F%2Fs3.example.org": {Bucket: "my.bucket", Endpoint: "https://s3.example.org"},
	} {
		got, err := ParseURL(raw)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", raw, got, err)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for _, raw := range []string{
		"", "bucket", "http://bucket/x", "s3:bucket", "s3://", "s3:///x", "s3://Bucket/x", "s3://bu", "s3://bucket:80/x",
		"s3://canary:canary@bucket/x", "s3://bucket/x#canary", "s3://bucket/a//b", "s3://bucket//a", "s3://bucket/../x",
		"s3://bucket/a%20b", "s3://bucket/x?endpoint=ftp://h", "s3://bucket/x?endpoint=host:80",
		"s3://bucket/x?endpoint=http://canary:canary@h", "s3://bucket/x?endpoint=http://h/path",
		"s3://bucket/x?endpoint=http://h&endpoint=http://i", "s3://bucket/x?endpoint=", "s3://bucket/x?region=EU WEST",
		"s3://bucket/x?secret=canary", "s3://bucket/x?%zz", "s3://bucket/" + strings.Repeat("p", maxPrefix+1),
		"s3://bucket/x?a=canary;b", "s3://bucket/\x7f",
	} {
		_, err := ParseURL(raw)
		if !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("%q: got %v, want %v", raw, err, storage.ErrInvalid)
			continue
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: error repeats the URL: %v", raw, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		"s3://bucket/prefix?endpoint=http://127.0.0.1:7070&region=us-east-1", "s3://bucket", "s3://u:p@bucket/x",
		"s3://bucket/%2e%2e/x", "s3://bucket?endpoint=http://[::1]:80",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		cfg, err := ParseURL(raw)
		if err != nil {
			if !errors.Is(err, storage.ErrInvalid) {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if ValidateBucket(cfg.Bucket) != nil || (cfg.Prefix != "" && !storage.ValidKey(cfg.Prefix)) {
			t.Fatalf("%q became %+v", raw, cfg)
		}
		// What was understood says the same when it is written down again.
		q := url.Values{}
		if cfg.Endpoint != "" {
			q.Set("endpoint", cfg.Endpoint)
		}
		if cfg.Region != "" {
			q.Set("region", cfg.Region)
		}
		u := url.URL{Scheme: "s3", Host: cfg.Bucket, Path: "/" + cfg.Prefix, RawQuery: q.Encode()}
		if again, err := ParseURL(u.String()); err != nil || !reflect.DeepEqual(again, cfg) {
			t.Fatalf("%q became %+v, then %+v (%v)", raw, cfg, again, err)
		}
		if _, err := OpenRecords(cfg); err != nil && !errors.Is(err, storage.ErrInvalid) {
			t.Fatalf("%q does not open: %v", raw, err)
		}
	})
}
