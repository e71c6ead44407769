package s3

import (
	"context"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"godwit/storage"
)

// metadataTimeout bounds one question to a cloud's metadata service.
const metadataTimeout = 5 * time.Second

// newCore returns a client that sends each request once. Repeating is decided
// here, where it is known what a repetition means.
func newCore(cfg Config) (*minio.Core, error) {
	host, secure, err := cfg.endpoint()
	if err != nil {
		return nil, err
	}
	var transport http.RoundTripper = newTransport(cfg)
	if cfg.WrapTransport != nil {
		transport = cfg.WrapTransport(transport)
	}
	core, err := minio.NewCore(host, &minio.Options{
		Creds:      newCredentials(cfg.Keys),
		Secure:     secure,
		Region:     cfg.Region,
		MaxRetries: 1,
		Transport:  tripper{transport},
	})
	if err != nil {
		return nil, &storage.Error{Op: "open", Name: "s3 store", Kind: storage.ErrInvalid, Err: err}
	}
	return core, nil
}

// newCredentials returns the given keys, or the usual chain when there are none.
func newCredentials(keys Keys) *credentials.Credentials {
	if keys.ID != "" {
		return credentials.NewStaticV4(keys.ID, keys.Secret, keys.Session)
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{Timeout: metadataTimeout}},
	})
}

// clockSkew asks for a bucket's existence and looks at the Date of the answer.
func clockSkew(ctx context.Context, core *minio.Core, bucket string) (time.Duration, error) {
	const op = "clock skew"
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	ctx, t := newTrip(ctx)
	_, err := core.BucketExists(ctx, bucket)
	if skew, known := t.clock(); known {
		return skew, nil
	}
	if err != nil {
		return 0, t.fail(op, bucket, read, err)
	}
	return 0, &storage.Error{Op: op, Name: bucket, Kind: storage.ErrUnsupported}
}
