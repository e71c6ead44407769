package openapi

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "godwit/protos/godwit/v1" // registers what is described
)

// schema is the part of JSON Schema that the document uses.
type schema struct {
	Type       string            `yaml:"type"`
	Format     string            `yaml:"format"`
	Ref        string            `yaml:"$ref"`
	Enum       []string          `yaml:"enum"`
	Items      *schema           `yaml:"items"`
	Properties map[string]schema `yaml:"properties"`
	Additional any               `yaml:"additionalProperties"`
}

type content map[string]struct {
	Schema schema `yaml:"schema"`
}

type document struct {
	Paths map[string]struct {
		Post *struct {
			OperationID string `yaml:"operationId"`
			RequestBody struct {
				Content content `yaml:"content"`
			} `yaml:"requestBody"`
			Responses map[string]struct {
				Content content `yaml:"content"`
			} `yaml:"responses"`
		} `yaml:"post"`
	} `yaml:"paths"`
	Components struct {
		Schemas map[string]schema `yaml:"schemas"`
	} `yaml:"components"`
}

func parse(t *testing.T) document {
	t.Helper()
	var doc document
	if err := yaml.Unmarshal(Document, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func ref(m protoreflect.Descriptor) string { return "#/components/schemas/" + string(m.Name()) }

// files are all that make up the API.
func files() []protoreflect.FileDescriptor {
	var all []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFilesByPackage("godwit.v1", func(file protoreflect.FileDescriptor) bool {
		all = append(all, file)
		return true
	})
	return all
}

func TestPathsAreTheMethods(t *testing.T) {
	doc := parse(t)
	described := 0
	for path := range doc.Paths {
		if strings.Contains(path, ".") && strings.Count(path, "/") == 2 {
			described++
		}
	}
	methods := 0
	for _, file := range files() {
		services := file.Services()
		for i := range services.Len() {
			for j := range services.Get(i).Methods().Len() {
				methods++
				checkMethod(t, doc, services.Get(i), services.Get(i).Methods().Get(j))
			}
		}
	}
	if described != methods {
		t.Errorf("%d methods are described, there are %d", described, methods)
	}
}

func checkMethod(t *testing.T, doc document, service protoreflect.ServiceDescriptor, method protoreflect.MethodDescriptor) {
	t.Helper()
	path := "/" + string(service.FullName()) + "/" + string(method.Name())
	post := doc.Paths[path].Post
	if post == nil {
		t.Errorf("%s is not described", path)
		return
	}
	media := "application/json"
	if method.IsStreamingServer() || method.IsStreamingClient() {
		media = "application/connect+json"
	}
	if got := post.RequestBody.Content[media].Schema.Ref; got != ref(method.Input()) {
		t.Errorf("%s takes %q, want %q", path, got, ref(method.Input()))
	}
	if got := post.Responses["200"].Content[media].Schema.Ref; got != ref(method.Output()) {
		t.Errorf("%s answers %q, want %q", path, got, ref(method.Output()))
	}
	if post.OperationID != string(method.Name()) {
		t.Errorf("%s has the id %q", path, post.OperationID)
	}
}

func TestSchemasAreTheMessages(t *testing.T) {
	doc := parse(t)
	known := map[string]bool{"Failure": true}
	for _, file := range files() {
		for i := range file.Messages().Len() {
			m := file.Messages().Get(i)
			if m.Fields().Len() == 0 && m.Enums().Len() > 0 {
				// It only gives an enumeration its own names.
				continue
			}
			known[string(m.Name())] = true
			checkMessage(t, doc, m)
		}
	}
	for name := range doc.Components.Schemas {
		if !known[name] {
			t.Errorf("%s is described but does not exist", name)
		}
	}
}

func checkMessage(t *testing.T, doc document, m protoreflect.MessageDescriptor) {
	t.Helper()
	got, ok := doc.Components.Schemas[string(m.Name())]
	if !ok {
		t.Errorf("%s is not described", m.Name())
		return
	}
	if got.Additional != nil != strings.HasSuffix(string(m.Name()), "Request") {
		t.Errorf("%s: only requests refuse other properties", m.Name())
	}
	if len(got.Properties) != m.Fields().Len() {
		t.Errorf("%s has %d fields, %d are described", m.Name(), m.Fields().Len(), len(got.Properties))
	}
	for j := range m.Fields().Len() {
		checkField(t, got, m.Fields().Get(j))
	}
}

func checkField(t *testing.T, in schema, fd protoreflect.FieldDescriptor) {
	t.Helper()
	got, ok := in.Properties[fd.JSONName()]
	switch {
	case !ok:
		t.Errorf("%s is not described", fd.FullName())
	case fd.IsMap():
		if got.Type != "object" || got.Additional == nil {
			t.Errorf("%s: %+v", fd.FullName(), got)
		}
	case fd.IsList():
		if got.Type != "array" || got.Items == nil {
			t.Errorf("%s: %+v", fd.FullName(), got)
			return
		}
		checkValue(t, *got.Items, fd)
	default:
		checkValue(t, got, fd)
	}
}

// checkValue compares with the JSON mapping of protobuf.
func checkValue(t *testing.T, got schema, fd protoreflect.FieldDescriptor) {
	t.Helper()
	want := schema{}
	switch fd.Kind() {
	case protoreflect.StringKind:
		want.Type = "string"
	case protoreflect.BoolKind:
		want.Type = "boolean"
	case protoreflect.BytesKind:
		want.Type, want.Format = "string", "byte"
	case protoreflect.Int32Kind:
		want.Type, want.Format = "integer", "int32"
	case protoreflect.Int64Kind:
		want.Type, want.Format = "string", "int64"
	case protoreflect.EnumKind:
		want.Type = "string"
		values := fd.Enum().Values()
		for i := 1; i < values.Len(); i++ {
			want.Enum = append(want.Enum, string(values.Get(i).Name()))
		}
	case protoreflect.MessageKind:
		switch fd.Message().FullName() {
		case "google.protobuf.Timestamp":
			want = schema{Type: "string", Format: "date-time"}
		case "google.protobuf.Duration":
			// JSON Schema's duration is written otherwise.
			want = schema{Type: "string"}
		default:
			want.Ref = ref(fd.Message())
		}
	default:
		t.Errorf("%s: how is a %s described?", fd.FullName(), fd.Kind())
	}
	if got.Type != want.Type || got.Format != want.Format || got.Ref != want.Ref || !slices.Equal(got.Enum, want.Enum) {
		t.Errorf("%s: described as %+v, want %+v", fd.FullName(), got, want)
	}
}
