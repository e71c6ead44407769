// Package s3test provides S3 servers for tests.
//
// [StartVersity] runs a real one, versitygw, as a process of its own over a
// temporary folder. [NewFake] is a small one inside the test, whose answers
// can be made to fail: before or after the request was carried out, by status,
// by a lost reply, by silence. The fake keeps what it is sent, or only counts
// it ([Fake.Discard]), for benchmarks.
package s3test
