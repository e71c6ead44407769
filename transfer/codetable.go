package transfer

// Exit codes of the command line.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitDenied      = 3
	exitNotFound    = 4
	exitConflict    = 5
	exitUnreachable = 6
	exitMismatch    = 9
)

// codeTable is the one place that says what a code means. It has a row for
// every code, in the order in which the codes are declared, and is never
// changed. HTTP statuses of failures that only a running transfer meets are
// those of a gateway.
var codeTable = [...]CodeInfo{
	{CodeURLEmpty, Refused, "BAD_REQUEST", exitUsage, 400, "Give a URL."},
	{CodeURLScheme, Refused, "BAD_REQUEST", exitUsage, 400, "Write the URL with its scheme, http:// or https://."},
	{CodeURLTooLong, Refused, "REQUEST_URI_TOO_LONG", exitUsage, 400, "Use a URL of at most 8192 bytes."},
	{CodeURLHost, Refused, "BAD_REQUEST", exitUsage, 400, "Correct the host name, the address or the port (1 to 65535)."},
	{CodeURLUserinfo, Refused, "BAD_REQUEST", exitUsage, 400, "Take user and password out of the URL and send them in an Authorization header."},
	{CodeURLInvalid, Refused, "BAD_REQUEST", exitUsage, 400, "Percent-encode the characters that a URL cannot hold."},
	{CodeHeaderName, Refused, "BAD_REQUEST", exitUsage, 400, "Use a header name of letters, digits and hyphens."},
	{CodeHeaderValue, Refused, "BAD_REQUEST", exitUsage, 400, "Take line ends and control characters out of the header value, and keep it under 8 KiB."},
	{CodeHeaderResrvd, Refused, "BAD_REQUEST", exitUsage, 400, "Leave this header out: godwit sets it itself."},
	{CodeHeaderCount, Refused, "BAD_REQUEST", exitUsage, 400, "Send fewer headers, and those that are single only once."},
	{CodeMethod, Refused, "METHOD_NOT_ALLOWED", exitUsage, 400, "Use GET, POST or another method whose answer has the content."},
	{CodeBody, Refused, "BAD_REQUEST", exitUsage, 400, "Send a body of at most 1 MiB, with POST, PUT or PATCH."},
	{CodeSizeInvalid, Refused, "BAD_REQUEST", exitUsage, 400, "Give the size as a number of bytes, or leave it out."},
	{CodePartSize, Refused, "BAD_REQUEST", exitUsage, 400, "Leave the part size out, or choose one that the destination takes."},
	{CodeConnections, Refused, "BAD_REQUEST", exitUsage, 400, "Use 1 to 64 connections, or 0 to let godwit choose."},
	{CodeRate, Refused, "BAD_REQUEST", exitUsage, 400, "Use a rate of at least 1024 bytes a second, or 0 for no limit."},
	{CodeRetries, Refused, "BAD_REQUEST", exitUsage, 400, "Use 0 to 1000 retries."},
	{CodeChecksum, Refused, "BAD_REQUEST", exitUsage, 400, "Give the SHA-256 as 64 hexadecimal digits."},
	{CodeLabel, Refused, "BAD_REQUEST", exitUsage, 400, "Use at most 32 labels with short, plain keys and values."},
	{CodeRecoverable, Refused, "BAD_REQUEST", exitUsage, 400, "Use HTTP statuses from 400 to 599."},
	{CodeEnum, Refused, "BAD_REQUEST", exitUsage, 400, "Use one of the documented words."},
	{CodeID, Refused, "BAD_REQUEST", exitUsage, 400, "Use an id of 1 to 128 letters, digits, dots (not for a completion group), hyphens and underscores that begins with a letter or digit."},
	{CodeField, Refused, "NOT_IMPLEMENTED", exitUsage, 400, "Leave this field out: this version does not support it."},
	{CodePathEscape, Refused, "BAD_REQUEST", exitUsage, 400, "Use an absolute path without '..'."},
	{CodePathInvalid, Refused, "BAD_REQUEST", exitUsage, 400, "Use a path that leads through folders only, with names that every system can hold."},
	{CodePathDenied, Refused, "FORBIDDEN", exitDenied, 403, "Choose a path under one of the node's file roots, or ask the operator to add one."},
	{CodeBucket, Refused, "BAD_REQUEST", exitUsage, 400, "Use a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens."},
	{CodeKey, Refused, "BAD_REQUEST", exitUsage, 400, "Use an object key of 1 to 1024 bytes without control characters."},
	{CodeKeyReserved, Refused, "FORBIDDEN", exitDenied, 403, "Choose another key: this prefix holds godwit's own records."},
	{CodeJSON, Refused, "BAD_REQUEST", exitUsage, 400, "Correct the JSON: unknown fields, duplicate keys and trailing bytes are refused."},
	{CodeMediaType, Refused, "UNSUPPORTED_MEDIA_TYPE", exitUsage, 415, "Send the request as application/json or application/proto, without compression."},
	{CodeTooLarge, Refused, "REQUEST_ENTITY_TOO_LARGE", exitUsage, 413, "Send a smaller request."},
	{CodeHost, Refused, "FORBIDDEN", exitDenied, 403, "Call the API as localhost or by its loopback address, or give it a token."},
	{CodeOrigin, Refused, "FORBIDDEN", exitDenied, 403, "Call the API from its own origin, or from a program that is no browser."},
	{CodePageToken, Refused, "BAD_REQUEST", exitUsage, 400, "List again from the first page, with the same filter."},
	{CodePageSize, Refused, "BAD_REQUEST", exitUsage, 400, "Use a page size from 1 to 1000, or leave it out."},
	{CodeFilter, Refused, "BAD_REQUEST", exitUsage, 400, "Correct the filter."},
	{CodeSecret, Refused, "BAD_REQUEST", exitUsage, 400, "Use a secret of the form whsec_ and base64 of 24 to 64 bytes, or leave it out and one is made."},
	{CodeTemplate, Refused, "BAD_REQUEST", exitUsage, 400, "Correct the template: only the documented variables in braces may be used."},
	{CodeChannel, Refused, "BAD_REQUEST", exitUsage, 400, "Use the channel log, or one that the node's configuration names."},
	{CodeCommand, Refused, "FORBIDDEN", exitDenied, 403, "Use a command that the node's configuration names, or ask the operator to add it."},
	{CodePolicy, Refused, "BAD_REQUEST", exitUsage, 400, "Use one of the documented policies, with the fields that belong to it."},
	{CodeMembers, Refused, "BAD_REQUEST", exitUsage, 400, "Correct the list of members."},
	{CodeDuration, Refused, "BAD_REQUEST", exitUsage, 400, "Use a duration in the documented range."},
	{CodeLimit, Refused, "BAD_REQUEST", exitUsage, 400, "Use a limit in the documented range, or 0 for none."},

	{CodeDestExists, Permanent, "CONFLICT", exitConflict, 409, "Remove what is there, choose another destination, or say --if-exists overwrite or skip."},
	{CodeDestBusy, Refused, "CONFLICT", exitConflict, 409, "Wait for the transfer that writes this destination, or cancel it."},
	{CodeDestInvalid, Refused, "BAD_REQUEST", exitUsage, 400, "Use a destination of the form file:///absolute/path or s3://bucket/key."},
	{CodeIDConflict, Refused, "CONFLICT", exitConflict, 409, "Use another id: a different transfer has this one."},
	{CodeStale, Refused, "PRECONDITION_FAILED", exitConflict, 412, "Read the transfer again and repeat the change on what it is now."},
	{CodeState, Refused, "CONFLICT", exitConflict, 409, "Look at the transfer's status: this command does not fit it."},
	{CodeNotFound, Refused, "NOT_FOUND", exitNotFound, 404, "Check the id, or list the transfers."},
	{CodeNoResult, Refused, "CONFLICT", exitConflict, 409, "Wait until the transfer has stored something."},
	{CodeOffset, Refused, "REQUESTED_RANGE_NOT_SATISFIABLE", exitUsage, 416, "Begin at a byte that the result has, or leave the offset out."},
	{CodeAuth, Refused, "UNAUTHORIZED", exitDenied, 401, "Send the API token of this server."},
	{CodeOverloaded, Transient, "SERVICE_UNAVAILABLE", exitUnreachable, 429, "Try again a little later."},
	{CodeShuttingDown, Transient, "SERVICE_UNAVAILABLE", exitUnreachable, 503, "Try again on another node, or when this one is back."},
	{CodeNotOwner, Transient, "SERVICE_UNAVAILABLE", exitUnreachable, 503, "Try again: the transfer is moving to another node."},

	{CodeGroupNotFound, Refused, "NOT_FOUND", exitNotFound, 404, "Check the name, or list the groups."},
	{CodeCompletionNotFound, Refused, "NOT_FOUND", exitNotFound, 404, "Check the id, create the completion group first, or list those there are."},
	{CodeTaskNotFound, Refused, "NOT_FOUND", exitNotFound, 404, "Check the id, or list the tasks."},
	{CodeCompletionEnabled, Refused, "CONFLICT", exitConflict, 409, "Use another completion group: this one is enabled and takes no more members."},
	{CodeQuota, Refused, "FORBIDDEN", exitDenied, 403, "Remove what is no longer needed, or ask the operator for a higher limit."},

	{CodeNodeNotFound, Refused, "NOT_FOUND", exitNotFound, 404, "Check the name, or list the nodes."},
	{CodeNodeUnreachable, Transient, "SERVER_UNREACHABLE", exitUnreachable, 503, "Try again a little later, or check that the node runs: the one that answers cannot reach it."},

	{CodeEgress, Permanent, "FORBIDDEN", exitDenied, 403, "Ask the operator to allow this address with --egress-allow."},
	{CodeDNS, Permanent, "HOST_NAME_NOT_RESOLVED", exitFailed, 502, "Check the host name: it does not exist."},
	{CodeDNSTemporary, Transient, "HOST_NAME_NOT_RESOLVED", exitFailed, 502, "Wait, or check the resolver of the node: it does not answer."},
	{CodeOffline, Transient, "CANNOT_CONNECT", exitFailed, 502, "Wait, or check the node's network: it has no way to the server."},
	{CodeConnect, Transient, "CANNOT_CONNECT", exitFailed, 502, "Check that the server is up and that its port is open."},
	{CodeReset, Transient, "CONNECTION_RESET", exitFailed, 502, "Wait: the connection was lost and is made again."},
	{CodeTimeout, Transient, "TIMEOUT", exitFailed, 504, "Wait, or check the server: it did not answer in time."},
	{CodeStall, Transient, "TIMEOUT", exitFailed, 504, "Wait, or check the server: it stopped sending."},
	{CodeSlow, Transient, "TIMEOUT", exitFailed, 504, "Wait, or use a mirror: the server sends too slowly."},
	{CodeTLSVerify, Permanent, "CERTIFICATE_IS_INVALID", exitFailed, 502, "Correct the server's certificate, or give the node the authority that signed it."},
	{CodeTLSHandshake, Transient, "CANNOT_CONNECT", exitFailed, 502, "Check that the server speaks TLS 1.2 or newer on this port."},
	{CodeProtocol, Permanent, "ERROR_HTTP_INVALID_SERVER_RESPONSE", exitFailed, 502, "Report it to the server's operator: its answer is not valid HTTP."},
	{CodeStatus, Permanent, "UNEXPECTED_STATUS_CODE", exitFailed, 502, "Check the URL and the credentials: the server refuses the request."},
	{CodeStatusRetry, Transient, "UNEXPECTED_SERVER_ERROR", exitFailed, 502, "Wait: the server is busy and is asked again."},
	{CodeEncoding, Permanent, "ERROR_HTTP_INVALID_SERVER_RESPONSE", exitFailed, 502, "Ask the server's operator for the content as it is: it comes compressed although that was not asked for."},
	{CodeRange, Transient, "INSUFFICIENT_RANGE_SUPPORT", exitFailed, 502, "Wait, or use a mirror: the server answers with other bytes than asked for."},
	{CodeRangeIgnored, Restart, "INSUFFICIENT_RANGE_SUPPORT", exitFailed, 502, "Wait: the server no longer serves ranges, so the transfer begins again."},
	{CodeRedirectMany, Permanent, "REDIRECT_FAILED", exitFailed, 502, "Use the URL that the redirects should lead to."},
	{CodeRedirectBad, Permanent, "REDIRECT_FAILED", exitFailed, 502, "Report it to the server's operator: it redirects to no usable URL."},
	{CodeRedirectScheme, Permanent, "UNEXPECTED_REDIRECTION", exitFailed, 502, "Use a URL that redirects to http or https only."},
	{CodeDowngrade, Permanent, "HTTPS_TO_HTTP_ON_REDIRECTION", exitFailed, 502, "Use the http URL itself if an unprotected connection is acceptable."},
	{CodeRedirectBody, Permanent, "REDIRECT_FAILED", exitFailed, 502, "Use the URL that the redirect names: a body is not sent on to another server."},

	{CodeSourceChanged, Restart, "PRECONDITION_FAILED", exitFailed, 502, "Wait until the content stays the same, then retry."},
	{CodeMismatch, Permanent, "UNKNOWN", exitMismatch, 502, "Check the declared checksum and the source: nothing was published."},
	{CodeSizeExceeded, Permanent, "UNKNOWN", exitFailed, 502, "Check the declared size and the source: it sends more."},
	{CodeSizeShort, Transient, "DISCONNECTED", exitFailed, 502, "Wait, or check the declared size and the source: it sends less."},
	{CodeTooManyParts, Refused, "BAD_REQUEST", exitUsage, 400, "Choose a larger part size, or leave it out."},

	{CodeStoreDenied, Permanent, "FORBIDDEN", exitDenied, 502, "Check the permissions of the destination and the store's credentials, then retry."},
	{CodeStoreFull, Transient, "UNKNOWN", exitFailed, 507, "Make room at the destination."},
	{CodeStoreUnavailable, Transient, "SERVER_UNREACHABLE", exitFailed, 503, "Wait, or check the store: it does not answer."},
	{CodeStoreCorrupt, Restart, "UNKNOWN", exitFailed, 502, "Check the store's disks: it returned other bytes than it was given."},
	{CodeStoreInvalid, Permanent, "UNEXPECTED_CLIENT_ERROR", exitFailed, 502, "Check the destination: the store does not accept it."},
	{CodeStoreUnsafe, Permanent, "UNKNOWN", exitFailed, 503, "Run godwit doctor: the store does not keep its promises."},
	{CodeUploadLost, Restart, "UNKNOWN", exitFailed, 502, "Check the store's lifecycle rules: it removed an upload that was not finished."},

	{CodeAttention, Permanent, "TIMEOUT", exitFailed, 502, "Give it a working URL or working credentials, then retry it: nobody attended to it in time."},
	{CodeUnsatisfied, Permanent, "UNKNOWN", exitFailed, 500, "Look at the members that did not complete, then retry the group."},
	{CodeExecFailed, Transient, "UNKNOWN", exitFailed, 500, "Look at the output of the command, then deliver the task again."},
	{CodeExecTimeout, Transient, "TIMEOUT", exitFailed, 500, "Look at the output of the command, or give it more time in the node's configuration."},
	{CodeWebhookStatus, Transient, "UNEXPECTED_STATUS_CODE", exitFailed, 502, "Check the receiver: it does not accept the delivery."},
	{CodeWebhookRedirect, Permanent, "UNEXPECTED_REDIRECTION", exitFailed, 502, "Use the URL that the redirect names: deliveries do not follow it."},
	{CodeWebhookGone, Permanent, "GONE", exitFailed, 502, "The receiver wants no more deliveries; deliver again by hand if that was a mistake."},

	{CodeQuarantined, Permanent, "UNKNOWN", exitFailed, 500, "Report the error, then retry the transfer: the others are not affected."},
	{CodeInternal, Permanent, "UNKNOWN", exitFailed, 500, "Report the error with the node's log."},
}
