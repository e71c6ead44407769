// Package protos holds the wire and record formats: the public API in
// godwit/v1, the records of the state store in godwit/record/v1 and what
// nodes tell and ask each other in godwit/cluster/v1, each with its generated code beside it. Run go
// generate after changing a .proto file.
//
// It owns names, numbers and types of fields and never any behaviour.
package protos

//go:generate ./generate.sh
