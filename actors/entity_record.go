package actors

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/proto"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/transfer"
)

// entityRecord is an entity's record as read or last written; version is empty
// while there is none.
type entityRecord struct {
	key      string
	version  storage.Version
	envelope *recordpb.Envelope
	body     []byte
	// claimed: its owner has ended, so that the next write takes it over.
	claimed bool
}

// readEntity loads a record, for as long as it takes. One that does not exist is
// a record without version.
func (w *recorder) readEntity(ctx context.Context, at address) (*entityRecord, *transfer.Error) {
	for failures := 1; ; failures++ {
		rec, err := w.readEntityOnce(ctx, at)
		if err == nil || err.Code.Class() != transfer.Transient {
			return rec, err
		}
		if sleep(ctx, min(transfer.Backoff(failures, w.random()), 5*time.Second)) != nil {
			return nil, err
		}
	}
}

func (w *recorder) readEntityOnce(ctx context.Context, at address) (*entityRecord, *transfer.Error) {
	r := &entityRecord{key: at.key(), envelope: &recordpb.Envelope{}}
	stored, err := w.store.Get(ctx, r.key)
	switch {
	case storage.KindOf(err) == storage.ErrNotFound:
		return r, nil
	case storage.KindOf(err) == storage.ErrCorrupt:
		return nil, quarantined(at.id, err)
	case err != nil:
		return nil, storeError(err)
	}
	r.version = stored.Version
	if err := r.parse(stored.Body); err != nil {
		return nil, quarantined(at.id, err)
	}
	return r, nil
}

// parse checks a stored body. Its error never says what is in it.
func (r *entityRecord) parse(stored []byte) error {
	if err := proto.Unmarshal(stored, r.envelope); err != nil {
		return fmt.Errorf("record %s is not readable", r.key)
	}
	env := r.envelope
	switch {
	case env.Format > RecordFormat:
		return fmt.Errorf("record %s has format %d, this version knows up to %d", r.key, env.Format, RecordFormat)
	case xxhash.Sum64(env.Body) != env.Checksum || env.Format == 0:
		return fmt.Errorf("record %s is damaged: checksum mismatch", r.key)
	case env.Epoch == 0 || env.Epoch > math.MaxInt64 || env.GetOwner().GetNode() == "":
		return fmt.Errorf("record %s names no valid owner", r.key)
	}
	r.body, env.Body = env.Body, nil
	return nil
}

// foreign is the other incarnation that has the record, the zero value if there
// is none.
func (r *entityRecord) foreign(cfg *Config) ownerRef {
	owner := r.envelope.GetOwner()
	if r.version == "" || owner.GetReleased() || owner.GetNode() == cfg.Node {
		return ownerRef{}
	}
	return ownerRef{owner.GetNode(), owner.GetIncarnation()}
}

// encode makes the bytes of the next write.
func (r *entityRecord) encode(body proto.Message, cfg *Config) ([]byte, *recordpb.Envelope, error) {
	raw, err := proto.Marshal(body)
	if err != nil {
		return nil, nil, fmt.Errorf("encode record %s: %w", r.key, err)
	}
	env := proto.CloneOf(r.envelope)
	if owner := env.GetOwner(); owner.GetNode() != cfg.Node || owner.GetIncarnation() != cfg.Incarnation {
		env.Epoch++
	}
	env.Format = RecordFormat
	env.WriteId = newWriteID()
	env.Sequence++
	env.Owner = &recordpb.Owner{Node: cfg.Node, Incarnation: cfg.Incarnation}
	env.Checksum = xxhash.Sum64(raw)
	env.Body = raw
	out, err := proto.Marshal(env)
	if err != nil {
		return nil, nil, fmt.Errorf("encode record %s: %w", r.key, err)
	}
	if len(out) > storage.MaxRecordSize {
		return nil, nil, fmt.Errorf("encode record %s: %d bytes are more than a record may have", r.key, len(out))
	}
	return out, env, nil
}

// wrote advances the record after a successful write.
func (r *entityRecord) wrote(env *recordpb.Envelope, v storage.Version) {
	r.envelope, r.version = env, v
	r.envelope.Body = nil
}

func (r *entityRecord) etag() string {
	return fmt.Sprintf("%d-%d", r.envelope.GetEpoch(), r.envelope.GetSequence())
}
