package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"godwit/storage"
)

// readStall is how long a stream may stay silent.
const readStall = time.Minute

var errStalled = errors.New("no bytes for a minute")

// Open implements [storage.ObjectStore]. ErrInvalid when offset is negative or
// after the end.
func (s *Objects) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, storage.ObjectInfo, error) {
	const op = "open"
	bucket, key, err := s.split(op, name)
	switch {
	case err != nil:
		return nil, storage.ObjectInfo{}, err
	case offset < 0:
		return nil, storage.ObjectInfo{}, invalid(op, name, "offset is negative")
	}
	var body io.ReadCloser
	var info storage.ObjectInfo
	err = retry(ctx, func() (err error) {
		body, info, err = s.get(ctx, name, bucket, key, offset)
		return err
	})
	var answer *ResponseError
	if errors.As(err, &answer) && answer.Status == http.StatusRequestedRangeNotSatisfiable {
		return s.openEnd(ctx, name, offset)
	}
	return body, info, err
}

// openEnd answers for an offset that the server calls out of range: the end
// itself is in range here.
func (s *Objects) openEnd(ctx context.Context, name string, offset int64) (io.ReadCloser, storage.ObjectInfo, error) {
	info, err := s.Stat(ctx, name)
	switch {
	case err != nil:
		return nil, storage.ObjectInfo{}, err
	case info.Size != offset:
		return nil, storage.ObjectInfo{}, invalid("open", name, "offset is after the end")
	}
	return http.NoBody, info, nil
}

// get sends one GET and returns its body, watched for silence.
func (s *Objects) get(ctx context.Context, name, bucket, key string, offset int64) (io.ReadCloser, storage.ObjectInfo, error) {
	const op = "open"
	var opts minio.GetObjectOptions
	opts.Set(headerMode, "ENABLED")
	if offset > 0 {
		if err := opts.SetRange(offset, 0); err != nil {
			return nil, storage.ObjectInfo{}, invalid(op, name, "offset is not valid")
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	silence := time.AfterFunc(readStall, func() { cancel(errStalled) })
	ctx, t := newTrip(ctx)
	body, found, header, err := s.core.GetObject(ctx, bucket, key, opts)
	silence.Stop()
	if err != nil {
		err = t.fail(op, name, read, err)
		cancel(nil)
		return nil, storage.ObjectInfo{}, err
	}
	stream := &stream{body: body, ctx: ctx, cancel: cancel, silence: silence, name: name}
	info := objectInfo(found)
	if offset > 0 {
		if info.Size, err = rangeTotal(header.Get("Content-Range"), offset); err != nil {
			stream.Close() //nolint:errcheck // the answer is of no use
			return nil, storage.ObjectInfo{}, &storage.Error{Op: op, Name: name, Kind: storage.ErrUnavailable, Err: err}
		}
	}
	return stream, info, nil
}

// rangeTotal reads the object's size from a Content-Range (RFC 9110, section
// 14.4) that must begin at offset; an answer to something else is refused.
func rangeTotal(header string, offset int64) (int64, error) {
	from, rest, ok := strings.Cut(strings.TrimPrefix(header, "bytes "), "-")
	_, total, ok2 := strings.Cut(rest, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if !ok || !ok2 || err != nil || from != strconv.FormatInt(offset, 10) || size <= offset {
		return 0, fmt.Errorf("the answer is not the range from byte %d", offset)
	}
	return size, nil
}

// stream is an object's body that fails when it stays silent for too long.
type stream struct {
	body    io.ReadCloser
	ctx     context.Context
	cancel  context.CancelCauseFunc
	silence *time.Timer
	name    string
}

// Read reports everything but the end as a *storage.Error. Only time spent in
// here counts as silence, not what the reader takes between two calls.
func (s *stream) Read(p []byte) (int, error) {
	s.silence.Reset(readStall)
	n, err := s.body.Read(p)
	s.silence.Stop()
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	if cause := context.Cause(s.ctx); cause != nil {
		err = cause
	}
	return n, &storage.Error{Op: "read", Name: s.name, Kind: storage.ErrUnavailable, Err: err}
}

// Close ends the request.
func (s *stream) Close() error {
	s.silence.Stop()
	s.cancel(nil)
	return s.body.Close()
}
