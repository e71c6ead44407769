// Package openapi holds the description of the API for people and tools that
// speak JSON over POST. A test compares it with the messages it describes.
package openapi

import _ "embed"

// Document is the OpenAPI 3.1 description, in YAML.
//
//go:embed openapi.yaml
var Document []byte
