// Package endpoint is the far side: it reads sources over HTTP/1.1 and HTTP/2, sends
// uploads over HTTP/1.1, and calls webhooks.
//
// [Client.Open] turns a [Request] for a range into a [Response] whose bytes are
// known to belong to the content that was asked for, or into a *transfer.Error.
// What it never does: deliver bytes of an answer that contradicts itself, send a
// user's header to another origin than the one it was given for, connect to an
// address that its [Policy] denies, wait for ever, retry, or decode a body.
//
// # Redirects
//
// They are followed by a loop of our own (redirect.go), because that of net/http
// keeps credentials for subdomains, other ports and other schemes, and custom
// headers for everybody. Each Open starts again from Request.URL: a redirect
// target is often a signed address that expires while the transfer lives, and
// the original one knows where the content is now. That costs one round trip a
// part, which 16 MiB parts make small.
//
// # Uploads
//
// An [Upload] is sent by one of several protocols (upload.go), each in a file of
// its own. All make their requests with deliver (upload_message.go), which does
// each of them once and reads the answer whole. A [Failure] says what a caller
// must know to try again: whether the far side may have carried the request out
// (some of it was written), and whether it has forgotten the upload. Content and
// headers stay within the origin of the upload and the URLs that the user named.
// An answer that came counts more than the connection's end (conn.go), and one
// that takes what was not sent yet is a failure.
//
// # Webhooks
//
// [Webhooks] goes the other way: it sends signed requests under the same policy,
// but follows no redirect and needs https, except at addresses that the operator
// has named.
//
// # Time
//
// Connecting, the TLS handshake and the response header have time-outs of their
// own; a body is watched while somebody reads it (body.go): neither the time of
// a caller that does not read, nor a long download, is ever an error.
package endpoint
