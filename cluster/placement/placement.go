// Package placement says who should own what: shards of transfers, and things
// that are known by a key. Every node computes the same answer from the same
// members, without asking anybody.
//
// It owns the hash and the rules of who may be given work. It never decides who
// does own something (a conditional write to the store does), keeps no state
// and imports nothing of ours.
package placement

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"
)

// Candidate is a member as placement sees it.
type Candidate struct {
	// Name is stable over restarts and addresses, and unlike those of others.
	Name string
	// Weight is its share beside the weights of others; 0 and less count as 1.
	Weight int
	// Draining gives away what it has, Cordoned is given nothing, and Held is
	// given nothing yet, because it has just come back.
	Draining, Cordoned, Held bool
}

// Eligible returns those that may be given work: neither draining nor cordoned
// nor held. Where that leaves nobody, those count that are merely held: when a
// whole cluster restarts, nobody is there to wait for. The order is kept.
func Eligible(candidates []Candidate) []Candidate {
	ready := make([]Candidate, 0, len(candidates))
	var held []Candidate
	for _, c := range candidates {
		switch {
		case c.Draining || c.Cordoned:
		case c.Held:
			held = append(held, c)
		default:
			ready = append(ready, c)
		}
	}
	if len(ready) == 0 {
		return held
	}
	return ready
}

// Owner returns the name of the candidate that should own a shard, or "" when
// nobody is eligible. It does not depend on the order of candidates.
func Owner(candidates []Candidate, shard int) string {
	return best(contend(candidates, ""), shardKey(nil, shard))
}

// Table returns the owners of all shards: the index is the shard, and "" stands
// where nobody is eligible. It says for each shard what Owner says.
func Table(candidates []Candidate, shards int) []string {
	owners := make([]string, shards)
	contenders := contend(candidates, "")
	var key []byte
	for shard := range owners {
		key = shardKey(key[:0], shard)
		owners[shard] = best(contenders, key)
	}
	return owners
}

// OwnerOfKey returns the name of the candidate that should own what is known by
// a key, an origin's host for example, or "" when nobody is eligible. Keys and
// shards are placed independently of each other.
func OwnerOfKey(candidates []Candidate, key string) string {
	return best(contend(candidates, keyDomain), []byte(key))
}

// keyDomain keeps keys apart from shards: as the first four bytes of one, it is
// a number far beyond any.
const keyDomain = "key\x00"

// shardKey appends a shard's number, 8 bytes with the most significant first.
func shardKey(to []byte, shard int) []byte {
	return binary.BigEndian.AppendUint64(to, uint64(shard))
}

// contender is an eligible candidate, prepared for many keys.
type contender struct {
	name   string
	weight float64
	// hashed is name, a zero byte and the domain; keys are hashed after it.
	hashed []byte
}

func contend(candidates []Candidate, domain string) []contender {
	eligible := Eligible(candidates)
	contenders := make([]contender, len(eligible))
	for i, c := range eligible {
		contenders[i] = contender{
			name:   c.Name,
			weight: float64(max(c.Weight, 1)),
			hashed: []byte(c.Name + "\x00" + domain),
		}
	}
	return contenders
}

// best is weighted rendezvous hashing: each contender draws a score for the key
// that no other contender influences, so that one who comes or goes moves only
// what it takes or had. Of equal scores the smaller name wins.
func best(contenders []contender, key []byte) string {
	owner, highest := "", math.Inf(-1)
	var buffer [128]byte
	for _, c := range contenders {
		drawn := c.weight / -math.Log(uniform(xxhash.Sum64(append(append(buffer[:0], c.hashed...), key...))))
		if drawn > highest || drawn == highest && c.name < owner {
			owner, highest = c.name, drawn
		}
	}
	return owner
}

// uniform maps a hash into the open interval (0, 1). Of the 64 bits 52 are
// used: with the half that keeps 0 out, a float64 holds no more without
// rounding the largest to 1.
func uniform(hash uint64) float64 {
	return (float64(hash>>12) + 0.5) / (1 << 52)
}
