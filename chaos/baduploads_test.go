package chaos

import (
	"strings"

	"godwit/transfer"
)

// badUploads are uploads that must be refused before anything is read or sent.
func badUploads() []badInput {
	var rows []badInput
	add := func(name string, code transfer.Code, fields string) {
		rows = append(rows, badInput{
			name: "upload: " + name, source: "file:///f", dest: goodSource, code: code,
			fields: `"direction":"UPLOAD",` + fields,
		})
	}
	ends := func(code transfer.Code, source string, dests ...string) {
		for _, dest := range dests {
			rows = append(rows, badInput{
				name: "upload: " + source + " to " + dest, source: source, dest: dest, code: code, fields: `"direction":"UPLOAD"`,
			})
		}
	}
	ends("url.scheme", "file:///f", "s3://bucket/key", "file:///f", "ftp://h/f")
	ends("url.userinfo", "file:///f", "https://bob:"+canary+"@h/f")
	ends("egress.denied", "file:///f", "http://10.1.2.3/?"+canary, "http://169.254.169.254/")
	ends("dest.invalid", "-", goodSource)
	ends("dest.invalid", "http://h/f?"+canary, goodSource)
	ends("path.escape", "file:///a/../../b", goodSource)
	ends("path.denied", "file:///etc/hostname", goodSource)
	ends("key.reserved", "s3://bucket/_godwit/x", goodSource)

	sending := func(name string, code transfer.Code, upload string) { add(name, code, `"upload":{`+upload+`}`) }
	sending("protocol", "enum.invalid", `"protocol":"`+canary+`"`)
	sending("spooled elsewhere", "path.denied", `"spooled":true`)
	sending("chosen protocol", "field.unsupported", `"chosenProtocol":"put"`)
	sending("unknown field", "request.json", `"chunk":1`)
	sending("key with a space", "idempotency_key.invalid", `"idempotencyKey":"`+canary+` x"`)
	sending("long key", "idempotency_key.invalid", `"idempotencyKey":"`+strings.Repeat("k", 256)+`"`)
	sending("signed URLs for put", "presigned.invalid", `"protocol":"put","presigned":{"completeUrl":"http://h/?`+canary+`"}`)
	sending("nothing completes", "presigned.invalid", `"protocol":"s3-presigned","presigned":{"partUrls":["http://h/?`+canary+`"]}`)
	sending("no part in the URL", "presigned.invalid", `"protocol":"s3-presigned","presigned":{"completeUrl":"http://h/?`+canary+`"}`)
	sending("signed for another network", "egress.denied",
		`"protocol":"s3-presigned","presigned":{"partUrls":["http://127.0.0.1:9/"],"completeUrl":"http://10.1.2.3/?`+canary+`"}`)

	add("GET", "method.invalid", `"method":"GET"`)
	add("POST with put", "method.invalid", `"method":"POST","upload":{"protocol":"put"}`)
	add("part size", "part_size.invalid", `"partSize":100000,"upload":{"protocol":"gcs"}`)
	add("mirrors", "field.unsupported", `"mirrors":[{"url":"http://h/?`+canary+`"}]`)
	add("if it exists", "field.unsupported", `"ifExists":"SKIP"`)
	add("size", "size.invalid", `"expectedSize":"-5"`)
	add("body", "body.invalid", `"method":"POST","body":"Q0FOQVJZNDcxMQ=="`)
	for _, name := range []string{"Content-Range", "upload-offset", "Tus-Resumable", "Idempotency-Key"} {
		add(name, "header.reserved", headers(name, canary))
	}
	return append(append(rows, badForms()...), badInput{name: "upload of a download", fields: `"upload":{}`, code: "field.unsupported"})
}

func badForms() []badInput {
	var rows []badInput
	add := func(name, form string) {
		rows = append(rows, badInput{
			name: "form: " + name, source: "-", dest: goodSource, code: "form.invalid",
			fields: `"direction":"UPLOAD","upload":{"form":{` + form + `}}`,
		})
	}
	part := `"parts":[{"name":"a","text":"` + canary + `"}]`
	add("subtype", part+`,"subtype":"digest"`)
	add("boundary", part+`,"boundary":"a;b"`)
	add("boundary ends in a space", part+`,"boundary":"a "`)
	add("boundary of 71", part+`,"boundary":"`+strings.Repeat("b", 71)+`"`)
	add("boundary in a text", part+`,"boundary":"`+canary+`"`)
	add("part without a name", `"parts":[{"text":"`+canary+`"}]`)
	add("name with a line end", `"parts":[{"name":"a\r\n`+canary+`","text":""}]`)
	add("file name with a slash", `"parts":[{"name":"a","fileName":"../`+canary+`"}]`)
	add("text and source", `"parts":[{"name":"a","text":"`+canary+`","source":{"url":"file:///f"}}]`)
	add("header of a part", `"parts":[{"name":"a","headers":[{"name":"X","value":"a\n`+canary+`"}]}]`)
	add("disposition of a part", `"parts":[{"name":"a","headers":[{"name":"content-disposition","value":"`+canary+`"}]}]`)
	add("1001 parts", `"parts":[`+strings.TrimSuffix(strings.Repeat(`{"name":"a"},`, 1001), ",")+`]`)
	for i := range rows {
		rows[i].name = "upload: " + rows[i].name
	}
	return append(
		rows,
		badInput{
			name: "upload: form and source", source: "file:///f", dest: goodSource, code: "form.invalid",
			fields: `"direction":"UPLOAD","upload":{"form":{` + part + `}}`,
		},
		badInput{
			name: "upload: form that goes on", source: "-", dest: goodSource, code: "form.invalid",
			fields: `"direction":"UPLOAD","upload":{"protocol":"tus","form":{` + part + `}}`,
		},
		badInput{
			name: "upload: part from outside of the roots", source: "-", dest: goodSource, code: "path.denied",
			fields: `"direction":"UPLOAD","upload":{"form":{"parts":[{"name":"a","source":{"url":"file:///etc/hostname"}}]}}`,
		},
	)
}
