package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"godwit/client"
	"godwit/node"
	pb "godwit/protos/godwit/v1"
)

// A program creates a download and exits. When it is started again it lists what
// it left under way, and attaches to it.
func Example() {
	ctx := context.Background()
	world := openWorld()
	defer world.close()

	// The first run: create, start, exit. Nothing of it stays but the id, and that
	// the server knows too.
	first := world.newClient()
	_, err := first.Create(ctx, &pb.Transfer{
		Id:          "film",
		Source:      &pb.Endpoint{Url: world.origin.URL + "/film"},
		Destination: &pb.Endpoint{Url: "file://" + world.folder + "/film"},
		Labels:      map[string]string{"app": "cinema"},
	}, true)
	if err != nil {
		log.Fatal(err)
	}

	// The second run, which may be in another process and days later. Listing
	// changes nothing: the transfer goes on whether anybody lists it or not.
	again := world.newClient()
	current, err := again.Current(ctx)
	if err != nil {
		log.Fatal(err)
	}
	world.serve() // the origin has kept the transfer waiting until here
	for _, op := range current {
		fmt.Println("found", op.ID(), op.Transfer().GetLabels()["app"])
		last, err := op.Wait(ctx, nil) // a func here would be told of the progress
		fmt.Println(last.GetStatus(), last.GetProgress().GetBytesDone(), "bytes", err)
		if _, err := again.Acknowledge(ctx, op.ID()); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// found film cinema
	// COMPLETED 100000 bytes <nil>
}

// A downloader is a transfer that others are made of. Its group says how they
// run: one after another. Its completion group runs a background task when all
// have ended, whether the program is there or not: here a webhook.
func Example_downloader() {
	ctx := context.Background()
	world := openWorld()
	defer world.close()
	c := world.newClient()

	if _, err := c.CreateGroup(ctx, &pb.Group{Name: "album", Behavior: pb.Group_SERIALIZED}); err != nil {
		log.Fatal(err)
	}
	_, err := c.CreateCompletionGroup(ctx, &pb.CompletionGroup{Id: "album", Webhook: &pb.Webhook{Url: world.receiver.URL}})
	if err != nil {
		log.Fatal(err)
	}
	downloader := &pb.Transfer{
		Group: "album", CompletionGroup: "album", Priority: pb.PriorityClass_HIGH,
		Headers: []*pb.Header{{Name: "Accept", Value: "audio/flac"}},
	}
	for _, track := range []string{"one", "two", "missing"} {
		t := proto.CloneOf(downloader)
		t.Id = track
		t.Source = &pb.Endpoint{Url: world.origin.URL + "/" + track}
		t.Destination = &pb.Endpoint{Url: "file://" + filepath.Join(world.folder, track)}
		if _, err := c.Create(ctx, t, true); err != nil {
			log.Fatal(err)
		}
	}
	// Without this the task would never run. It comes last, so that a set is not
	// taken for complete while members are still added; that some of them may have
	// ended by now makes no difference.
	if _, err := c.EnableCompletionGroup(ctx, "album"); err != nil {
		log.Fatal(err)
	}
	world.serve()

	// The program could exit here. This is what the receiver is told.
	fmt.Println(<-world.told)
	// Output:
	// album: missing FAILED NOT_FOUND, one COMPLETED, two COMPLETED
}

// exampleWorld is a godwit with an origin that waits, a receiver of webhooks and
// a folder for results.
type exampleWorld struct {
	folder           string
	origin, receiver *httptest.Server
	server           *node.Attachment
	waiting          chan struct{}
	told             chan string
}

func openWorld() *exampleWorld {
	folder, err := os.MkdirTemp("", "godwit-example")
	if err != nil {
		log.Fatal(err)
	}
	w := &exampleWorld{folder: folder, waiting: make(chan struct{}), told: make(chan string, 1)}
	w.origin = httptest.NewServer(http.HandlerFunc(w.content))
	w.receiver = httptest.NewServer(http.HandlerFunc(w.finished))
	w.server, err = node.Attach(context.Background(), node.EmbedConfig{DataDir: filepath.Join(folder, "data")})
	if err != nil {
		log.Fatal(err)
	}
	return w
}

func (w *exampleWorld) newClient() *client.Client {
	c, err := client.New(client.Config{Servers: []string{w.server.BaseURL()}, HTTPClient: w.server.HTTPClient()})
	if err != nil {
		log.Fatal(err)
	}
	return c
}

// serve lets the origin answer.
func (w *exampleWorld) serve() { close(w.waiting) }

func (w *exampleWorld) close() {
	if err := w.server.Close(context.Background()); err != nil {
		log.Print(err)
	}
	w.origin.Close()
	w.receiver.Close()
	if err := os.RemoveAll(w.folder); err != nil {
		log.Print(err)
	}
}

func (w *exampleWorld) content(rw http.ResponseWriter, r *http.Request) {
	<-w.waiting
	if r.URL.Path == "/missing" {
		http.NotFound(rw, r)
		return
	}
	rw.Header().Set("ETag", `"1"`)
	http.ServeContent(rw, r, "", time.Time{}, strings.NewReader(strings.Repeat("godwit", 20_000)[:100_000]))
}

// finished reads the event that says that a completion group has fired. A real
// receiver checks its signature first.
func (w *exampleWorld) finished(_ http.ResponseWriter, r *http.Request) {
	var event struct {
		Subject string
		Data    struct {
			Transfers []struct {
				ID, Status string
				Error      struct{ WebErrorStatus string }
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
		log.Fatal(err)
	}
	var members []string
	for _, t := range event.Data.Transfers {
		members = append(members, strings.TrimSpace(t.ID+" "+t.Status+" "+t.Error.WebErrorStatus))
	}
	slices.Sort(members)
	w.told <- event.Subject + ": " + strings.Join(members, ", ")
}
