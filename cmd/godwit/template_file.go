package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"

	pb "godwit/protos/godwit/v1"
)

// maxTemplate bounds a file with a transfer in bytes; the API takes no more.
const maxTemplate = 1 << 20

// readTransfer reads a transfer in JSON or YAML, of which JSON is a part.
func readTransfer(file string, stdin io.Reader) (*pb.Transfer, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, unreadable("--submit", err)
		}
		defer f.Close()
		stdin = f
	}
	text, err := io.ReadAll(io.LimitReader(stdin, maxTemplate+1))
	switch {
	case err != nil:
		return nil, unreadable("--submit", err)
	case len(text) > maxTemplate:
		return nil, usagef("--submit: the file has more than %s", humanBytes(maxTemplate))
	}
	t, err := parseTransfer(text)
	if err != nil {
		return nil, usagef("--submit: %v", err)
	}
	return t, nil
}

// unknownField is how protojson names what it does not know.
var unknownField = regexp.MustCompile(`unknown field "[A-Za-z0-9_]+"`)

// parseTransfer never repeats a value in an error: it may be a credential.
func parseTransfer(text []byte) (*pb.Transfer, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil || doc == nil {
		return nil, fmt.Errorf("the file is no object in JSON or YAML")
	}
	plain, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("the file has keys that are no words")
	}
	t := &pb.Transfer{}
	if err := protojson.Unmarshal(plain, t); err != nil {
		if unknown := unknownField.FindString(err.Error()); unknown != "" {
			return nil, fmt.Errorf("a transfer has no such field: %s", unknown)
		}
		return nil, fmt.Errorf("a value does not fit its field; see Transfer in /openapi.yaml")
	}
	return t, nil
}
