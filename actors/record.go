package actors

import (
	"crypto/rand"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"godwit/bug"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/transfer"
)

// RecordFormat is the newest meaning of records this version knows.
const RecordFormat = 1

// Shards is the number of shards of a state store, fixed when it is created.
const Shards = 1024

// shardOf places an id on its shard, for life.
func shardOf(id string) int { return int(xxhash.Sum64String(id) % Shards) }

// shardFolder is where everything of a shard is recorded, in a folder for each
// kind; kindTransfer is that of transfers.
func shardFolder(shard int) string { return fmt.Sprintf("shards/%03x/", shard) }

const kindTransfer = "t"

func transferKey(id string) string { return shardFolder(shardOf(id)) + kindTransfer + "/" + id }

// kindOfKey is the folder of a record within its shard.
func kindOfKey(key string) string {
	folder := strings.TrimSuffix(key, "/"+idOfKey(key))
	return folder[strings.LastIndexByte(folder, '/')+1:]
}

// ShardFolder is where everything is recorded that belongs to an id.
func ShardFolder(id string) string { return shardFolder(shardOf(id)) }

func idOfKey(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

// record is a transfer's record as read or last written: the version to name
// in the next write, and both messages, whose unknown fields must survive.
type record struct {
	key      string
	version  storage.Version
	envelope *recordpb.Envelope
	body     *recordpb.Transfer
	// secret is what body.Sealed holds; sealing is repeated only when it
	// changes.
	secret *recordpb.Secret
}

// newRecord is a record that was never written.
func newRecord(id string) *record {
	return &record{
		key:      transferKey(id),
		envelope: &recordpb.Envelope{Format: RecordFormat},
		body:     &recordpb.Transfer{},
	}
}

// parseRecord checks and decodes a stored body. Its error says why the record
// cannot be used, and never what is in it.
func parseRecord(rec storage.Record, sealer Sealer) (*record, error) {
	r := newRecord(idOfKey(rec.Key))
	r.key, r.version = rec.Key, rec.Version
	if err := proto.Unmarshal(rec.Body, r.envelope); err != nil {
		return nil, fmt.Errorf("record %s is not readable", rec.Key)
	}
	if r.envelope.Format > RecordFormat {
		return nil, fmt.Errorf("record %s has format %d, this version knows up to %d", rec.Key, r.envelope.Format, RecordFormat)
	}
	if xxhash.Sum64(r.envelope.Body) != r.envelope.Checksum || r.envelope.Format == 0 {
		return nil, fmt.Errorf("record %s is damaged: checksum mismatch", rec.Key)
	}
	if r.envelope.Epoch == 0 || r.envelope.Epoch > math.MaxInt64 || r.envelope.GetOwner().GetNode() == "" {
		return nil, fmt.Errorf("record %s names no valid owner", rec.Key)
	}
	if err := proto.Unmarshal(r.envelope.Body, r.body); err != nil {
		return nil, fmt.Errorf("record %s has a body that is not readable", rec.Key)
	}
	if r.body.Id != idOfKey(rec.Key) {
		return nil, fmt.Errorf("record %s is of another transfer", rec.Key)
	}
	if !possible(r.body.Generation) {
		return nil, fmt.Errorf("record %s has a plan that cannot be", rec.Key)
	}
	plain, err := sealer.Open(rec.Key, r.body.Sealed)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", rec.Key, err)
	}
	r.secret = &recordpb.Secret{}
	if err := proto.Unmarshal(plain, r.secret); err != nil {
		return nil, fmt.Errorf("record %s has sealed fields that are not readable", rec.Key)
	}
	return r, nil
}

// possible tells whether there can be such content. To go on with a plan of
// negative sizes could publish less than there is.
func possible(g *recordpb.Generation) bool {
	return g.GetSize() >= 0 && g.GetPartSize() >= 0 && !slices.ContainsFunc(g.GetParts(), func(p *recordpb.Part) bool {
		return p.GetNumber() < 0 || p.GetSize() < 0
	})
}

// encode makes the bytes of the next write: a new write id and sequence, the
// given owner and epoch. The record itself is not advanced until wrote.
func (r *record) encode(s *transfer.State, owner *recordpb.Owner, epoch uint64, sealer Sealer) ([]byte, *recordpb.Envelope, error) {
	secret := secretOf(s)
	keepUnknown(secret, r.secret)
	if r.secret == nil || !proto.Equal(secret, r.secret) {
		plain, err := proto.Marshal(secret)
		if err != nil {
			return nil, nil, fmt.Errorf("encode record %s: %w", r.key, err)
		}
		if r.body.Sealed, err = sealer.Seal(r.key, plain); err != nil {
			return nil, nil, fmt.Errorf("seal record %s: %w", r.key, err)
		}
		r.secret = secret
	}
	encodeState(r.body, s)
	body, err := proto.Marshal(r.body)
	if err != nil {
		return nil, nil, fmt.Errorf("encode record %s: %w", r.key, err)
	}
	env := proto.CloneOf(r.envelope)
	env.Format = RecordFormat
	env.WriteId = newWriteID()
	env.Epoch = epoch
	env.Sequence++
	env.Owner = owner
	env.Checksum = xxhash.Sum64(body)
	env.Body = body
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
func (r *record) wrote(env *recordpb.Envelope, v storage.Version) {
	r.envelope, r.version = env, v
	r.envelope.Body = nil
}

func newWriteID() []byte {
	if bug.Seeded == bug.NoWriteID {
		return nil
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails, see crypto/rand
	return id
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func fromStamp(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
