package transfer

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// Bounds of an upload's Spec. Bytes unless said otherwise.
const (
	maxIdempotencyKey = 255
	// maxPartURLs is how many signed URLs a request may bring, in number.
	maxPartURLs = 1000
	// partStepGCS is what the size of a request must be a multiple of at Google
	// Cloud Storage.
	partStepGCS = 256 << 10
)

// partToken stands in a template where the number of a part belongs;
// partTokenEscaped is how some write it.
const (
	partToken        = "{part}"
	partTokenEscaped = "%7Bpart%7D"
)

// normalizeOutgoing checks what belongs to uploads alone, or to downloads alone.
func normalizeOutgoing(s *Spec) *Error {
	if s.Direction != Upload {
		if !reflect.ValueOf(s.Outgoing).IsZero() {
			return invalid(CodeField, "upload", "a download has no upload; say UPLOAD as its direction")
		}
		return nil
	}
	for _, step := range [...]func(*Spec) *Error{
		refuseDownloadFields, normalizeForm, normalizeProtocol, checkUploadPartSize, checkIdempotencyKey, normalizePresigned,
	} {
		if err := step(s); err != nil {
			return err
		}
	}
	return checkUploadHeaders(s.Headers, len(s.Outgoing.Form.Parts) > 0)
}

// normalizeUploadEnds brings both ends of an upload into canonical form. A form
// has its sources in its parts.
func normalizeUploadEnds(s *Spec) *Error {
	far, err := NormalizeURL(s.Destination, "destination")
	if err != nil {
		return err
	}
	s.Destination = far
	switch form := len(s.Outgoing.Form.Parts) > 0; {
	case form && s.Source != "":
		return invalid(CodeForm, "source", "give a source or a form, not both")
	case form:
		return nil
	case s.Source == "":
		return invalid(CodeDestInvalid, "source", "an upload needs a source or a form")
	}
	near, err := ParseSource(s.Source, "source")
	s.Source = near.String()
	return err
}

// refuseDownloadFields refuses what would have no effect.
func refuseDownloadFields(s *Spec) *Error {
	switch {
	case s.IfExists != IfExistsFail:
		return invalid(CodeField, "if_exists", "what happens to what exists at the far side is up to the far side")
	case len(s.Mirrors) > 0:
		return invalid(CodeField, "mirrors", "an upload has one destination and no mirrors")
	case len(s.Body) > 0:
		return invalid(CodeBody, "body", "the body of an upload is its source or its form")
	case s.BodySource != "":
		return invalid(CodeBody, "bodySource", "the body of an upload is its source or its form")
	}
	return nil
}

// normalizeProtocol makes protocol and method go together. Only what one PUT of
// one source could be leaves the choice to the far side.
func normalizeProtocol(s *Spec) *Error {
	o := &s.Outgoing
	if !oneOf(&o.Protocol, Protocols...) {
		return invalid(CodeEnum, "upload.protocol", "it is one of %s", strings.Join(protocolNames(), ", "))
	}
	form := len(o.Form.Parts) > 0
	if s.Method == "" {
		s.Method = http.MethodPut
		if o.Protocol == ProtocolPost || form && o.Protocol == ProtocolAuto {
			s.Method = http.MethodPost
		}
	}
	method := strings.ToUpper(s.Method)
	switch {
	case method == http.MethodGet:
		return invalid(CodeMethod, "method", "GET does not send content")
	case o.Protocol == ProtocolPut && method == http.MethodPost:
		return invalid(CodeMethod, "method", "the protocol put does not go with POST; use post or auto")
	case form && o.Protocol.Resumes():
		return invalid(CodeForm, "upload.protocol", "a form needs put, post or auto")
	case o.Protocol == ProtocolAuto && (form || method != http.MethodPut):
		o.Protocol = ProtocolPost
		if Idempotent(method) {
			o.Protocol = ProtocolPut
		}
	}
	return nil
}

func protocolNames() []string {
	names := make([]string, len(Protocols))
	for i, p := range Protocols {
		names[i] = string(p)
	}
	return names
}

// Idempotent tells the methods that may be repeated (RFC 9110, section 9.2.2),
// of those that carry content.
func Idempotent(method string) bool {
	m := strings.ToUpper(method)
	return m == http.MethodPut || m == http.MethodDelete
}

// checkUploadPartSize adds to checkNumbers what the protocols want.
func checkUploadPartSize(s *Spec) *Error {
	switch p := s.Outgoing.Protocol; {
	case s.PartSize == 0:
	case p == ProtocolS3 && s.PartSize < leastS3Part:
		return invalid(CodePartSize, "part_size", "a part has at least %d bytes here, not %d", int64(leastS3Part), s.PartSize)
	case p == ProtocolGCS && s.PartSize%partStepGCS != 0:
		return invalid(CodePartSize, "part_size", "a part is a multiple of %d bytes here, not %d", int64(partStepGCS), s.PartSize)
	}
	return nil
}

func checkIdempotencyKey(s *Spec) *Error {
	key := s.Outgoing.IdempotencyKey
	visible := func(r rune) bool { return '!' <= r && r <= '~' }
	if len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(r rune) bool { return !visible(r) }) {
		return invalid(CodeKeyHeader, "upload.idempotencyKey", "a key has 1 to %d visible ASCII characters", maxIdempotencyKey)
	}
	return nil
}

func normalizePresigned(s *Spec) *Error {
	const field = "upload.presigned"
	p := &s.Outgoing.Presigned
	given := len(p.PartURLs) > 0 || p.CompleteURL != "" || p.AbortURL != "" || p.ObjectURL != ""
	switch {
	case s.Outgoing.Protocol != ProtocolS3 && given:
		return invalid(CodePresigned, field, "signed URLs need the protocol %s", ProtocolS3)
	case s.Outgoing.Protocol != ProtocolS3:
		return nil
	case p.CompleteURL == "":
		return invalid(CodePresigned, field, "the URL that completes the upload is missing")
	case len(p.PartURLs) > maxPartURLs:
		return invalid(CodePresigned, field, "at most %d URLs of parts", maxPartURLs)
	}
	s.Destination = s.destination(s.Destination)
	if err := checkPartToken(&s.Outgoing, s.Destination); err != nil {
		return err
	}
	p.PartURLs = slices.Clone(p.PartURLs)
	urls := []*string{&p.CompleteURL, &p.AbortURL, &p.ObjectURL}
	for i := range p.PartURLs {
		urls = append(urls, &p.PartURLs[i])
	}
	for i, url := range urls {
		if i >= 1 && i <= 2 && *url == "" {
			continue // these are optional
		}
		normal, err := NormalizeURL(*url, field)
		if err != nil {
			return invalid(CodePresigned, field, "%s", err.Message)
		}
		*url = normal
	}
	return nil
}

// checkPartToken refuses a destination at which all parts would have one URL.
func checkPartToken(o *Outgoing, destination string) *Error {
	if o.Protocol == ProtocolS3 && len(o.Presigned.PartURLs) == 0 && !strings.Contains(destination, partToken) {
		return invalid(CodePresigned, "upload.presigned", "there are no URLs for parts, and the destination's URL has no %s", partToken)
	}
	return nil
}

// destination is the form in which a URL is kept as that of an upload.
func (s *Spec) destination(url string) string {
	if s.Outgoing.Protocol != ProtocolS3 {
		return url
	}
	return strings.NewReplacer(partTokenEscaped, partToken, strings.ToLower(partTokenEscaped), partToken).Replace(url)
}

// CheckPresigned tells whether the signed URLs suffice, once the pins say how
// long the content is. It fails with presigned.invalid.
func CheckPresigned(s *Spec) *Error {
	if s.Outgoing.Protocol != ProtocolS3 {
		return nil
	}
	size, part := s.ContentSize(), s.presignedPartSize()
	urls := int64(len(s.Outgoing.Presigned.PartURLs))
	if urls == 0 {
		urls = MaxPresigned
	}
	switch {
	case part > mostPartSize:
		return invalid(CodePresigned, "upload.presigned", "%d bytes in %d parts are more than %d in one", size, urls, int64(mostPartSize))
	case (size-1)/part+1 > urls:
		return invalid(CodePresigned, "upload.presigned", "%d bytes in parts of %d are more than the %d parts there are URLs for", size, part, urls)
	}
	return nil
}

// checkUploadHeaders refuses headers that the protocols of uploads are made of;
// the others are those of NormalizeHeaders.
func checkUploadHeaders(headers []Header, form bool) *Error {
	for _, h := range headers {
		name := strings.ToLower(h.Name)
		switch {
		case form && name == "content-type":
			return invalid(CodeHeaderResrvd, "headers", "the form makes its own Content-Type")
		case name == "idempotency-key":
			return invalid(CodeHeaderResrvd, "headers", "give the idempotency key as such")
		case name == "upload-metadata": // of tus, for which only the user knows it
		case name == "content-range", strings.HasPrefix(name, "upload-"), strings.HasPrefix(name, "tus-"):
			return invalid(CodeHeaderResrvd, "headers", "%s is set by godwit itself", printable(cutBytes(h.Name, maxLabel)))
		}
	}
	return nil
}
