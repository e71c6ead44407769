package endpoint

import (
	"bytes"
	"encoding/json"
	"time"

	"godwit/transfer"
)

// EventType says what an event is about.
type EventType string

// The types of events.
const (
	// EventCompletionFinished: a completion group has fired. Its data is the
	// group with all members.
	EventCompletionFinished EventType = "godwit.completion_group.finished"
	// EventNotification: a message for people.
	EventNotification EventType = "godwit.notification"
)

// EventContentType is the media type of an event in its JSON form.
const EventContentType = "application/cloudevents+json"

// Event is a CloudEvent (version 1.0 of the specification).
type Event struct {
	Type EventType
	// ID is that of the task. Cluster is the id of the cluster it runs in, "" for
	// a single node.
	ID, Cluster string
	// Subject is the id of the completion group or transfer.
	Subject string
	Time    time.Time
	// Data is any JSON.
	Data []byte
}

// Marshal returns the event in the JSON event format. It fails with
// internal.error for data that is no JSON.
func (e Event) Marshal() ([]byte, error) {
	source := "godwit"
	if e.Cluster != "" {
		source = "/clusters/" + e.Cluster
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		SpecVersion string          `json:"specversion"`
		Type        EventType       `json:"type"`
		ID          string          `json:"id"`
		Source      string          `json:"source"`
		Subject     string          `json:"subject,omitempty"`
		Time        string          `json:"time"`
		ContentType string          `json:"datacontenttype"`
		Data        json.RawMessage `json:"data"`
	}{
		"1.0", e.Type, e.ID, source, e.Subject, e.Time.UTC().Format(time.RFC3339Nano), "application/json", e.Data,
	})
	if err != nil {
		return nil, transfer.Errorf(transfer.CodeInternal, "the data of an event is no JSON")
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
