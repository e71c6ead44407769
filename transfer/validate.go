package transfer

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

// Bounds of a Spec. Bytes unless said otherwise.
const (
	maxMirrors     = 16
	maxMethod      = 32
	maxBody        = 1 << 20
	leastPartSize  = 4 << 10
	leastS3Part    = 5 << 20
	mostPartSize   = 5 << 30
	maxConnections = 64
	leastRate      = 1 << 10
	maxRetries     = 1000
	maxLabels      = 32
	maxLabelKey    = 63
	maxLabelValue  = 256
)

// Normalize checks a Spec and returns it in its canonical form, with defaults
// filled in; two requests mean the same when theirs are equal. It does not
// change its argument. The error names the field, never a secret value.
func Normalize(s Spec) (Spec, *Error) {
	for _, step := range [...]func(*Spec) *Error{
		normalizeID, normalizeEnums, normalizeEnds, normalizeOutgoing, normalizeRequest,
		normalizeChecksum, checkNumbers, normalizeRecoverable, checkLabels,
		checkSets, normalizeAttention, normalizeNotifications,
	} {
		if err := step(&s); err != nil {
			return Spec{}, err
		}
	}
	return s, nil
}

func normalizeID(s *Spec) *Error { return CheckID(s.ID) }

func normalizeEnums(s *Spec) *Error {
	if !oneOf(&s.Direction, Download, Upload) {
		return invalid(CodeEnum, "direction", "it is DOWNLOAD or UPLOAD")
	}
	if !oneOf(&s.IfExists, IfExistsFail, IfExistsOverwrite, IfExistsSkip) {
		return invalid(CodeEnum, "if_exists", "it is FAIL, OVERWRITE or SKIP")
	}
	if !oneOf(&s.Priority, PriorityDefault, PriorityLow, PriorityHigh) {
		return invalid(CodeEnum, "priority", "it is LOW, DEFAULT or HIGH")
	}
	if !oneOf(&s.Cost, CostDefault, CostUnrestrictedOnly, CostAlways) {
		return invalid(CodeEnum, "cost_policy", "it is DEFAULT, UNRESTRICTED_ONLY or ALWAYS")
	}
	return nil
}

// oneOf tells whether a word is among those allowed; an empty one becomes the
// first of them.
func oneOf[T ~string](word *T, allowed ...T) bool {
	if *word == "" {
		*word = allowed[0]
	}
	return slices.Contains(allowed, *word)
}

// normalizeEnds brings source, mirrors and destination into canonical form.
func normalizeEnds(s *Spec) *Error {
	if s.Direction == Upload {
		return normalizeUploadEnds(s)
	}
	far, err := NormalizeURL(s.Source, "source")
	if err != nil {
		return err
	}
	near, err := ParseDestination(s.Destination, "destination")
	if err != nil {
		return err
	}
	s.Source, s.Destination = far, near.String()
	if len(s.Mirrors) > maxMirrors {
		return invalid(CodeURLInvalid, "mirrors", "at most %d mirrors", maxMirrors)
	}
	s.Mirrors = slices.Clone(s.Mirrors)
	for i, mirror := range s.Mirrors {
		if s.Mirrors[i], err = NormalizeURL(mirror, "mirrors"); err != nil {
			return err
		}
	}
	return nil
}

// normalizeRequest checks what the HTTP request is made of.
func normalizeRequest(s *Spec) *Error {
	if s.Method == "" {
		s.Method = "GET"
	}
	if len(s.Method) > maxMethod || !httpguts.ValidHeaderFieldName(s.Method) {
		return invalid(CodeMethod, "method", "a method is a token of at most %d bytes", maxMethod)
	}
	switch strings.ToUpper(s.Method) {
	case "HEAD", "CONNECT", "TRACE", "OPTIONS":
		return invalid(CodeMethod, "method", "%s does not transfer content", strings.ToUpper(s.Method))
	}
	if err := checkBody(s); err != nil {
		return err
	}
	headers, err := NormalizeHeaders(s.Headers)
	s.Headers = headers
	return err
}

func checkBody(s *Spec) *Error {
	if s.BodySource != "" {
		if err := checkBodySource(s); err != nil {
			return err
		}
	}
	if len(s.Body) > maxBody {
		return invalid(CodeBody, "body", "a body has at most %d bytes, this one has %d", maxBody, len(s.Body))
	}
	if method := strings.ToUpper(s.Method); len(s.Body) > 0 && (method == "GET" || method == "DELETE") {
		return invalid(CodeBody, "body", "%s takes no body", method)
	}
	return nil
}

func normalizeChecksum(s *Spec) *Error {
	if s.SHA256 == "" {
		return nil
	}
	digest, err := ParseChecksum(s.SHA256)
	s.SHA256 = digest
	return err
}

func checkNumbers(s *Spec) *Error {
	least := int64(leastPartSize)
	if strings.HasPrefix(s.Destination, s3Scheme) {
		least = leastS3Part
	}
	switch {
	case s.Size < UnknownSize:
		return invalid(CodeSizeInvalid, "size", "a size is 0 or more bytes, not %d", s.Size)
	case s.PartSize != 0 && (s.PartSize < least || s.PartSize > mostPartSize):
		return invalid(CodePartSize, "part_size", "a part has %d to %d bytes here, not %d",
			least, int64(mostPartSize), s.PartSize)
	case s.Connections < 0 || s.Connections > maxConnections:
		return invalid(CodeConnections, "connections", "0 to %d connections, not %d", maxConnections, s.Connections)
	case s.RateLimit != 0 && s.RateLimit < leastRate:
		return invalid(CodeRate, "rate_limit", "a rate is 0 or at least %d bytes a second, not %d", leastRate, s.RateLimit)
	case s.Retries < 0 || s.Retries > maxRetries:
		return invalid(CodeRetries, "retries", "0 to %d retries, not %d", maxRetries, s.Retries)
	}
	return nil
}

func normalizeRecoverable(s *Spec) *Error {
	for _, status := range s.Recoverable {
		if status < 400 || status > 599 {
			return invalid(CodeRecoverable, "recoverable", "a recoverable status is 400 to 599, not %d", status)
		}
	}
	s.Recoverable = slices.Compact(slices.Sorted(slices.Values(s.Recoverable)))
	return nil
}

func checkLabels(s *Spec) *Error { return CheckLabels(s.Labels) }

// CheckLabels tells whether labels are acceptable: at most 32, with plain keys
// of at most 63 bytes and printable values of at most 256. It fails with
// label.invalid.
func CheckLabels(labels map[string]string) *Error {
	if len(labels) > maxLabels {
		return invalid(CodeLabel, "labels", "at most %d labels, not %d", maxLabels, len(labels))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if key == "" || len(key) > maxLabelKey || !only(key, "._/-") {
			return invalid(CodeLabel, "labels",
				"a label's key is 1 to %d letters, digits, dots, slashes, hyphens and underscores", maxLabelKey)
		}
		value := labels[key]
		if len(value) > maxLabelValue || !utf8.ValidString(value) || strings.ContainsFunc(value, unprintable) {
			return invalid(CodeLabel, "labels",
				"the value of label %s has more than %d bytes or a control character", key, maxLabelValue)
		}
	}
	return nil
}
