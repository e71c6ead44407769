package transfer

// Sizes that plans are made of, in bytes.
const (
	mebibyte = 1 << 20
	// minUnknownPart is the least first part of content of unknown size in a
	// store that has a minimum: ten thousand parts that start smaller would not
	// reach the largest object.
	minUnknownPart = 16 * mebibyte
	// maxGrownPart is where parts stop growing: the largest part S3 takes.
	maxGrownPart = 5 << 30
	// maxPlannedPart bounds every part, so that no offset overflows.
	maxPlannedPart = 1 << 40
	// fineParts is how many preferred parts make content so large that its end
	// does not matter: less is cut into halves of them, so that
	// connections finish closer together.
	fineParts = 256
	// growAfter is how many parts of one size come before the next doubling.
	growAfter = 1000
)

// Plan cuts content into numbered parts: each byte lies in exactly one. Parts
// count from 1, all but the last are of the planned size.
type Plan struct {
	// Size of the content in bytes, or UnknownSize.
	Size int64
	// PartSize is the size of the first part in bytes.
	PartSize int64
	// Growing: the size of a part doubles every thousand parts. So it is for
	// content of unknown size, and stays when the size becomes known.
	Growing bool
}

// MakePlan plans parts for size bytes (or UnknownSize) in a store with the
// given traits. Wanted is the part size a user asked for in bytes, or 0.
//
// The planner's own choice grows until the store's number of parts suffices; a
// wanted one is taken or refused: part_size.invalid when the store does not
// accept it, size.too_many_parts when it makes too many parts. Content of
// unknown size gets at least 16 MiB in stores with a minimum.
func MakePlan(size, wanted int64, t Traits) (Plan, *Error) {
	if size < UnknownSize {
		return Plan{}, invalid(CodeSizeInvalid, "size", "a size is 0 or more bytes, not %d", size)
	}
	minPart, maxPart := partBounds(t)
	if wanted != 0 && (wanted < minPart || wanted > maxPart) {
		return Plan{}, invalid(CodePartSize, "part_size",
			"the destination takes parts of %d to %d bytes, not %d", minPart, maxPart, wanted)
	}
	if size == UnknownSize {
		return unknownPlan(wanted, minPart, maxPart, t), nil
	}
	need := leastPart(size, t.MaxParts)
	if need > maxPart {
		return Plan{}, Errorf(CodeTooManyParts,
			"%d bytes do not fit in %d parts of at most %d bytes", size, t.MaxParts, maxPart)
	}
	if wanted == 0 {
		if isFine(size, t) {
			t.PreferredPart /= 2
		}
		return Plan{Size: size, PartSize: chosenPart(need, minPart, maxPart, t)}, nil
	}
	if wanted < need {
		return Plan{}, invalid(CodeTooManyParts, "part_size",
			"%d bytes in parts of %d bytes are more than %d parts; the part size must be at least %d",
			size, wanted, t.MaxParts, need)
	}
	return Plan{Size: size, PartSize: wanted}, nil
}

func partBounds(t Traits) (minPart, maxPart int64) {
	minPart, maxPart = max(t.MinPart, 1), t.MaxPart
	if maxPart <= 0 || maxPart > maxPlannedPart {
		maxPart = maxPlannedPart
	}
	return minPart, maxPart
}

// leastPart is the smallest part size that cuts size bytes into at most
// maxParts parts; a store without a bound has maxParts 0.
func leastPart(size int64, maxParts int) int64 {
	if maxParts <= 0 || size == 0 {
		return 1
	}
	return (size-1)/int64(maxParts) + 1
}

// isFine tells that halves of the preferred part serve better. Where a store
// has a minimum each part costs a request, parts under a mebibyte cost more
// than they bring, and where one part is enough there is nothing to finish
// together.
func isFine(size int64, t Traits) bool {
	return t.MinPart <= 1 && t.PreferredPart >= 2*mebibyte &&
		size > t.PreferredPart && size/fineParts < t.PreferredPart
}

func chosenPart(need, minPart, maxPart int64, t Traits) int64 {
	p := max(t.PreferredPart, minPart)
	if need > p {
		p = (need + mebibyte - 1) / mebibyte * mebibyte
	}
	return min(p, maxPart)
}

func unknownPlan(wanted, minPart, maxPart int64, t Traits) Plan {
	p := wanted
	if p == 0 {
		p = chosenPart(1, minPart, maxPart, t)
	}
	if t.MinPart > 1 {
		p = min(max(p, minUnknownPart), maxPart)
	}
	return Plan{Size: UnknownSize, PartSize: p, Growing: true}
}

// Count is the number of parts; 0 for empty content and when the size is not
// known.
func (p Plan) Count() int {
	if p.Size <= 0 || p.PartSize <= 0 {
		return 0
	}
	if !p.Growing {
		return int((p.Size-1)/p.PartSize + 1)
	}
	count, left := 0, p.Size
	for band := 0; ; band++ {
		size := p.bandSize(band)
		n := (left-1)/size + 1
		if n <= growAfter {
			return count + int(n)
		}
		count += growAfter
		left -= growAfter * size
	}
}

// Part says where part n lies, in bytes. Beyond the end the size is 0.
func (p Plan) Part(n int) (offset, size int64) {
	if n < 1 {
		return 0, 0
	}
	offset, size = p.place(n)
	if p.Size == UnknownSize {
		return offset, size
	}
	offset = min(offset, p.Size)
	return offset, min(size, p.Size-offset)
}

// End is the offset of the first byte after part n.
func (p Plan) End(n int) int64 {
	offset, size := p.Part(n)
	return offset + size
}

// place is Part for content without end.
func (p Plan) place(n int) (offset, size int64) {
	if !p.Growing && p.Size != UnknownSize {
		return p.steps(int64(n-1), p.PartSize), p.PartSize
	}
	bands, rest := (n-1)/growAfter, (n-1)%growAfter
	for band := range bands {
		offset += growAfter * p.bandSize(band)
	}
	size = p.bandSize(bands)
	return offset + int64(rest)*size, size
}

// steps is n sizes, or the size of the content when that is less.
func (p Plan) steps(n, size int64) int64 {
	if size > 0 && n > p.Size/size {
		return p.Size
	}
	return n * size
}

// bandSize is the part size of the given thousand of parts.
func (p Plan) bandSize(band int) int64 {
	size := p.PartSize
	for ; band > 0 && size<<1 <= maxGrownPart; band-- {
		size <<= 1
	}
	return size
}
