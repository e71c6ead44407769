package transfer

// Code is a stable, dotted name of a failure. Codes are part of the public
// surface: they are only ever added.
type Code string

// Class says what a failure means for the transfer.
type Class int

// The classes.
const (
	// Permanent: trying again cannot help; the next mirror may.
	Permanent Class = iota
	// Transient: the same request may work later.
	Transient
	// Restart: the bytes so far are of no use; begin again at byte 0.
	Restart
	// Refused: the request itself is not acceptable; nothing was done.
	Refused
)

// The codes.
const (
	CodeURLEmpty      Code = "url.empty"
	CodeURLScheme     Code = "url.scheme"
	CodeURLTooLong    Code = "url.too_long"
	CodeURLHost       Code = "url.host"
	CodeURLUserinfo   Code = "url.userinfo"
	CodeURLInvalid    Code = "url.invalid"
	CodeHeaderName    Code = "header.name"
	CodeHeaderValue   Code = "header.value"
	CodeHeaderResrvd  Code = "header.reserved"
	CodeHeaderCount   Code = "header.count"
	CodeMethod        Code = "method.invalid"
	CodeBody          Code = "body.invalid"
	CodeSizeInvalid   Code = "size.invalid"
	CodePartSize      Code = "part_size.invalid"
	CodeConnections   Code = "connections.invalid"
	CodeRate          Code = "rate.invalid"
	CodeRetries       Code = "retries.invalid"
	CodeChecksum      Code = "checksum.invalid"
	CodeLabel         Code = "label.invalid"
	CodeRecoverable   Code = "recoverable.invalid"
	CodeEnum          Code = "enum.invalid"
	CodeID            Code = "id.invalid"
	CodeField         Code = "field.unsupported"
	CodePathEscape    Code = "path.escape"
	CodePathInvalid   Code = "path.invalid"
	CodePathDenied    Code = "path.denied"
	CodeBucket        Code = "bucket.invalid"
	CodeKey           Code = "key.invalid"
	CodeKeyReserved   Code = "key.reserved"
	CodeJSON          Code = "request.json"
	CodeMediaType     Code = "request.media_type"
	CodeTooLarge      Code = "request.too_large"
	CodeHost          Code = "request.host"
	CodeOrigin        Code = "request.origin"
	CodePageToken     Code = "page.token"
	CodePageSize      Code = "page.size"
	CodeFilter        Code = "filter.invalid"
	CodeSecret        Code = "secret.invalid"
	CodeTemplate      Code = "template.invalid"
	CodeChannel       Code = "channel.unknown"
	CodeCommand       Code = "exec.unknown"
	CodePolicy        Code = "policy.invalid"
	CodeMembers       Code = "members.invalid"
	CodeDuration      Code = "duration.invalid"
	CodeForm          Code = "form.invalid"
	CodePresigned     Code = "presigned.invalid"
	CodeKeyHeader     Code = "idempotency_key.invalid"
	CodeSourceMissing Code = "source.not_found"
	CodeLimit         Code = "limit.invalid"

	CodeDestExists   Code = "dest.exists"
	CodeDestBusy     Code = "dest.busy"
	CodeDestInvalid  Code = "dest.invalid"
	CodeIDConflict   Code = "id.conflict"
	CodeStale        Code = "etag.mismatch"
	CodeState        Code = "state.conflict"
	CodeNotFound     Code = "transfer.not_found"
	CodeNoResult     Code = "result.not_ready"
	CodeOffset       Code = "offset.invalid"
	CodeAuth         Code = "auth.required"
	CodeOverloaded   Code = "server.overloaded"
	CodeShuttingDown Code = "server.stopping"
	CodeNotOwner     Code = "server.not_owner"

	CodeGroupNotFound      Code = "group.not_found"
	CodeCompletionNotFound Code = "completion.not_found"
	CodeTaskNotFound       Code = "task.not_found"
	CodeCompletionEnabled  Code = "completion.enabled"
	CodeQuota              Code = "quota.exceeded"

	CodeNodeNotFound    Code = "node.not_found"
	CodeNodeUnreachable Code = "node.unreachable"

	CodeEgress         Code = "egress.denied"
	CodeDNS            Code = "dns.not_found"
	CodeDNSTemporary   Code = "dns.temporary"
	CodeOffline        Code = "net.offline"
	CodeConnect        Code = "net.connect"
	CodeReset          Code = "net.reset"
	CodeTimeout        Code = "net.timeout"
	CodeStall          Code = "net.stall"
	CodeSlow           Code = "net.slow"
	CodeTLSVerify      Code = "tls.verify"
	CodeTLSHandshake   Code = "tls.handshake"
	CodeProtocol       Code = "http.protocol"
	CodeStatus         Code = "http.status"
	CodeStatusRetry    Code = "http.unavailable"
	CodeEncoding       Code = "http.encoding"
	CodeRange          Code = "http.range"
	CodeRangeIgnored   Code = "http.range_ignored"
	CodeRedirectMany   Code = "redirect.too_many"
	CodeRedirectBad    Code = "redirect.invalid"
	CodeRedirectScheme Code = "redirect.scheme"
	CodeDowngrade      Code = "redirect.downgrade"
	CodeRedirectBody   Code = "redirect.cross_origin_body"

	CodeSourceChanged Code = "source.changed"
	CodeMismatch      Code = "checksum.mismatch"
	CodeSizeExceeded  Code = "size.exceeded"
	CodeSizeShort     Code = "size.short"
	CodeTooManyParts  Code = "size.too_many_parts"

	CodeStoreDenied      Code = "store.denied"
	CodeStoreFull        Code = "store.full"
	CodeStoreUnavailable Code = "store.unavailable"
	CodeStoreCorrupt     Code = "store.corrupt"
	CodeStoreInvalid     Code = "store.invalid"
	CodeStoreUnsafe      Code = "store.unsafe"
	CodeUploadLost       Code = "store.upload_lost"

	CodeMaybeDuplicate   Code = "upload.maybe_duplicate"
	CodeSessionLost      Code = "upload.session_lost"
	CodeUploadOffset     Code = "upload.offset"
	CodeUploadLocked     Code = "upload.locked"
	CodeUploadChecksum   Code = "upload.checksum"
	CodeUploadTooLarge   Code = "upload.too_large"
	CodeUploadProtocol   Code = "upload.protocol"
	CodeUploadIncomplete Code = "upload.incomplete"

	CodeAttention       Code = "attention.expired"
	CodeUnsatisfied     Code = "completion.unsatisfied"
	CodeExecFailed      Code = "exec.failed"
	CodeExecTimeout     Code = "exec.timeout"
	CodeWebhookStatus   Code = "webhook.status"
	CodeWebhookRedirect Code = "webhook.redirect"
	CodeWebhookGone     Code = "webhook.gone"

	CodeQuarantined Code = "internal.quarantined"
	CodeInternal    Code = "internal.error"
)
