// Package s3 keeps records and objects in an S3-compatible store.
//
// [Records] is the compare-and-swap store: single PUT requests with
// If-None-Match or If-Match, never repeated by the client library, because a
// repeated conditional write meets its own first attempt and reports a loss
// that was a win. [Objects] builds big objects by multipart upload; there a
// repeated part is harmless, so parts and reads are retried here, each attempt
// from the buffer and never from the source.
//
// Every failure becomes a [storage.Error] by one pure function ([classify])
// that looks at the status, the S3 code and whether the request had left this
// process. Server messages are not repeated in errors: some servers echo
// request content in them.
//
// The package is the only importer of minio-go.
package s3
