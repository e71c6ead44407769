package node

import (
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxConfig bounds a configuration file in bytes.
const maxConfig = 1 << 20

// LoadFile reads a configuration from a YAML file: one mapping from the names
// of flags to their values, with commands and channels besides. It refuses unknown and repeated keys and values of
// a wrong type, naming the key, with a *[ConfigError].
func LoadFile(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, &ConfigError{Message: "cannot be read", Err: err}
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	switch {
	case err != nil:
		return Config{}, &ConfigError{Message: "cannot be read", Err: err}
	case len(content) > maxConfig:
		return Config{}, wrong("", "the file has more than %d bytes", maxConfig)
	}
	return parseConfig(content)
}

// parseConfig is LoadFile for the content of the file.
func parseConfig(content []byte) (Config, error) {
	var cfg Config
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(content))
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return cfg, nil
	case err != nil:
		return cfg, wrong("", "the file is not valid YAML")
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return cfg, wrong("", "the file holds more than one document")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return cfg, wrong("", "the file must be a mapping from keys to values")
	}
	if err := readStruct("", root, reflect.ValueOf(&cfg).Elem()); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// readStruct fills a struct from a mapping whose keys are those of its fields'
// tags. Errors name a key with what it is below of, as prefix says.
func readStruct(prefix string, node *yaml.Node, into reflect.Value) error {
	if node.Kind != yaml.MappingNode {
		return wrong(strings.TrimSuffix(prefix, "."), "line %d: must be a mapping from keys to values", node.Line)
	}
	fields := configFields(into)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i].Value, node.Content[i+1]
		field, known := fields[key]
		if !known {
			return wrong(prefix+key, "line %d: unknown or repeated key", node.Content[i].Line)
		}
		delete(fields, key)
		if err := readValue(prefix+key, value, field); err != nil {
			return err
		}
	}
	return nil
}

// readValue fills one field.
func readValue(key string, value *yaml.Node, field reflect.Value) error {
	switch {
	case field.Kind() == reflect.Map:
		return readMap(key, value, field)
	case field.Kind() == reflect.Struct:
		return readStruct(key+".", value, field)
	case !fits(value, field) || value.Decode(field.Addr().Interface()) != nil:
		return wrong(key, "line %d: must be %s", value.Line, expected(field))
	}
	return nil
}

// readMap fills a map from names that the file chooses.
func readMap(key string, value *yaml.Node, field reflect.Value) error {
	if value.Kind != yaml.MappingNode {
		return wrong(key, "line %d: must be a mapping from names", value.Line)
	}
	field.Set(reflect.MakeMap(field.Type()))
	for i := 0; i+1 < len(value.Content); i += 2 {
		name := value.Content[i]
		if name.Kind != yaml.ScalarNode || name.Tag != "!!str" {
			return wrong(key, "line %d: a name must be a string (quote it if it looks like something else)", name.Line)
		}
		if field.MapIndex(reflect.ValueOf(name.Value)).IsValid() {
			return wrong(key+"."+name.Value, "line %d: repeated name", name.Line)
		}
		element := reflect.New(field.Type().Elem()).Elem()
		if err := readValue(key+"."+name.Value, value.Content[i+1], element); err != nil {
			return err
		}
		field.SetMapIndex(reflect.ValueOf(name.Value), element)
	}
	return nil
}

// configFields maps the YAML keys to the fields of a struct.
func configFields(v reflect.Value) map[string]reflect.Value {
	out := make(map[string]reflect.Value)
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("yaml"); key != "" && key != "-" {
			out[key] = v.Field(i)
		}
	}
	return out
}

// fits tells whether a value has the shape of its field. Without it YAML would
// turn numbers and booleans into strings, and aliases would be followed.
func fits(value *yaml.Node, field reflect.Value) bool {
	switch field.Interface().(type) {
	case []string:
		if value.Kind != yaml.SequenceNode {
			return false
		}
		for _, element := range value.Content {
			if element.Kind != yaml.ScalarNode || element.Tag != "!!str" {
				return false
			}
		}
		return true
	case ByteSize:
		return value.Kind == yaml.ScalarNode && (value.Tag == "!!int" || value.Tag == "!!str")
	case time.Duration:
		return value.Kind == yaml.ScalarNode && value.Tag == "!!str"
	}
	tags := map[reflect.Kind]string{reflect.String: "!!str", reflect.Int: "!!int", reflect.Bool: "!!bool"}
	return value.Kind == yaml.ScalarNode && value.Tag == tags[field.Kind()]
}

// expected says what a field wants, for a person.
func expected(field reflect.Value) string {
	switch field.Interface().(type) {
	case []string:
		return "a list of strings"
	case ByteSize:
		return strings.TrimPrefix(errByteSize.Error(), "must be ")
	case time.Duration:
		return "a duration such as 500ms"
	case int:
		return "a whole number"
	case bool:
		return "true or false"
	}
	return "a string (quote it if it looks like something else)"
}
