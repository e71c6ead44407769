package node

import (
	"testing"

	"godwit/endpoint"
	"godwit/transfer"
)

func TestAdmissionOfUploads(t *testing.T) {
	server := admission{policy: endpoint.ServerPolicy(nil, nil), roots: []string{"/srv"}, spool: "file:///state/spool/"}
	person := admission{policy: endpoint.ForegroundPolicy(), anyFile: true, spool: "file:///state/spool/"}
	inS3 := admission{policy: endpoint.ServerPolicy(nil, nil), spool: "s3://state/cluster-spool/"}
	upload := func(change func(*transfer.Spec)) transfer.Spec {
		spec := transfer.Spec{Direction: transfer.Upload, Source: "file:///srv/f", Destination: "https://example.com/u"}
		change(&spec)
		return spec
	}
	for name, row := range map[string]struct {
		a     admission
		spec  transfer.Spec
		code  transfer.Code
		field string
	}{
		"good":          {server, upload(func(*transfer.Spec) {}), "", ""},
		"destination":   {server, upload(func(s *transfer.Spec) { s.Destination = "http://10.0.0.1/" }), transfer.CodeEgress, "destination.url"},
		"resolver":      {server, upload(func(s *transfer.Spec) { s.Resolver.URL = "http://10.0.0.1/" }), transfer.CodeEgress, "resolver.url"},
		"source":        {server, upload(func(s *transfer.Spec) { s.Source = "file:///etc/passwd" }), transfer.CodePathDenied, "source.url"},
		"source of one": {person, upload(func(s *transfer.Spec) { s.Source = "file:///etc/passwd" }), "", ""},
		"in S3":         {server, upload(func(s *transfer.Spec) { s.Source = "s3://bucket/k" }), "", ""},
		"complete":      {server, upload(func(s *transfer.Spec) { s.Outgoing.Presigned.CompleteURL = "http://10.0.0.1/" }), transfer.CodeEgress, "upload.presigned"},
		"abort":         {server, upload(func(s *transfer.Spec) { s.Outgoing.Presigned.AbortURL = "http://10.0.0.1/" }), transfer.CodeEgress, "upload.presigned"},
		"object":        {server, upload(func(s *transfer.Spec) { s.Outgoing.Presigned.ObjectURL = "http://10.0.0.1/" }), transfer.CodeEgress, "upload.presigned"},
		"part":          {server, upload(func(s *transfer.Spec) { s.Outgoing.Presigned.PartURLs = []string{"http://10.0.0.1/"} }), transfer.CodeEgress, "upload.presigned"},
		"form": {server, upload(func(s *transfer.Spec) {
			s.Source = ""
			s.Outgoing.Form.Parts = []transfer.FormPart{{Source: "file:///srv/a"}, {Text: "x"}}
		}), "", ""},
		"part of a form": {server, upload(func(s *transfer.Spec) {
			s.Source = ""
			s.Outgoing.Form.Parts = []transfer.FormPart{{Source: "file:///etc/a"}}
		}), transfer.CodePathDenied, "upload.form"},
		"spooled":         {server, upload(func(s *transfer.Spec) { s.Source, s.Outgoing.Spooled = "file:///state/spool/x", true }), "", ""},
		"not spooled":     {server, upload(func(s *transfer.Spec) { s.Outgoing.Spooled = true }), transfer.CodePathDenied, "source.url"},
		"no spool":        {admission{anyFile: true}, upload(func(s *transfer.Spec) { s.Outgoing.Spooled = true }), transfer.CodePathDenied, "source.url"},
		"of somebody":     {person, upload(func(s *transfer.Spec) { s.Source = "file:///state/spool/x" }), transfer.CodePathDenied, "source.url"},
		"spooled in S3":   {inS3, upload(func(s *transfer.Spec) { s.Source, s.Outgoing.Spooled = "s3://state/cluster-spool/x", true }), "", ""},
		"elsewhere in S3": {inS3, upload(func(s *transfer.Spec) { s.Source, s.Outgoing.Spooled = "s3://other/cluster-spool/x", true }), transfer.CodePathDenied, "source.url"},
		"download there":  {inS3, transfer.Spec{Source: "https://h/", Destination: "s3://state/CLUSTER%2dspool/x"}, transfer.CodeKeyReserved, "destination.url"},
		"download beside": {inS3, transfer.Spec{Source: "https://h/", Destination: "s3://state/cluster-spoolx/x"}, "", ""},
	} {
		e := row.a.check(row.spec)
		if (e == nil) != (row.code == "") || e != nil && (e.Code != row.code || e.Field != row.field) {
			t.Errorf("%s: %v, want %s of %s", name, e, row.code, row.field)
		}
	}
}

func TestSpoolPlace(t *testing.T) {
	for raw, want := range map[string]string{
		"dir:///var/lib/a%20b": "file:///var/lib/a b/spool/",
		"s3://bucket/a/b":      "s3://bucket/a/b-spool/",
		"s3://bucket/_godwit":  "s3://bucket/_godwit-spool/",
		"s3://bucket":          "",
	} {
		state, err := parseStateStore(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := state.spool(); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
		// What the node writes itself is no place of the records, and no name that
		// nobody may use.
		if want != "" {
			if _, e := transfer.ParseDestination(want+"x", "source"); e != nil {
				t.Errorf("%s: %v", raw, e)
			}
		}
	}
}
