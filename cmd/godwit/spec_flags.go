package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// maxBody is how much of a --body file is read in bytes; one more than the API
// accepts, so that it can refuse.
const maxBody = 1<<20 + 1

// specFlags are the flags that say what a transfer in any direction shall be.
type specFlags struct {
	id                       string
	method                   string
	headers                  []string
	checksum, digest         string
	group, completionGroup   string
	priority, cost           string
	recoverable              []int32
	limitRate                rateFlag
	connections, retries     int32
	retriesGiven             bool
	labels                   []string
	notify                   []string
	resolver, resolverSecret string
	attentionTTL             time.Duration
}

// downloadFlags say more of a download.
type downloadFlags struct {
	specFlags
	body         string
	mirrors      []string
	ifExists     string
	randomAccess bool
}

func (f *downloadFlags) add(cmd *cobra.Command) {
	f.specFlags.add(cmd, "HTTP method (default GET, or POST with --body)")
	fs := cmd.Flags()
	fs.StringVar(&f.body, "body", "", "`file` to send as the request body, - for standard input; a file:// or s3:// URL is read by the server")
	fs.StringArrayVar(&f.mirrors, "mirror", nil, "further `URL` of the same content (repeat)")
	addWord(cmd, &f.ifExists, "if-exists", "", "what to do when the destination exists (default fail)", "fail", "overwrite", "skip")
	fs.BoolVar(&f.randomAccess, "random-access", false, "fetch parts as a reader asks for them")
}

func (f *specFlags) add(cmd *cobra.Command, method string) {
	fs := cmd.Flags()
	fs.StringVar(&f.id, "id", "", "id of the transfer (default: derived from source and destination)")
	fs.StringVarP(&f.method, "method", "X", "", method)
	fs.StringArrayVarP(&f.headers, "header", "H", nil, "request header `'Name: value'` (repeat)")
	fs.StringVar(&f.checksum, "checksum", "", "what the content must be: `sha256:HEX`")
	addWord(cmd, &f.digest, "digest", "", "compute this digest of the content", "sha256")
	fs.StringVar(&f.group, "group", "", "transfer group whose order and limit it obeys; made when there is none")
	fs.StringVar(&f.completionGroup, "completion-group", "", "completion group that waits for it; it must exist and not be enabled")
	addWord(cmd, &f.priority, "priority", "", "order among waiting transfers", "low", "default", "high")
	addWord(cmd, &f.cost, "cost-policy", "", "over which networks it may run", "default", "unrestricted-only", "always")
	fs.Int32SliceVar(&f.recoverable, "recoverable", nil, "HTTP `status` that pauses instead of failing (repeat)")
	fs.Lookup("recoverable").DefValue = "" // not "[]"
	fs.StringVar(&f.resolver, "resolver", "", "`URL` that is asked for another URL or headers after a --recoverable status")
	fs.StringVar(&f.resolverSecret, "resolver-secret-file", "", "`file` with the secret that signs what is asked (default: one is made)")
	fs.DurationVar(&f.attentionTTL, "attention-ttl", 0, "fail when nobody attends to a --recoverable status in this time (default 168h)")
	fs.Var(&f.limitRate, "limit-rate", "bytes a second, such as 10M (default no limit)")
	fs.Int32Var(&f.connections, "connections", 0, "connections at most (default automatic)")
	fs.Int32Var(&f.retries, "retries", transfer.DefaultRetries, "tries in a row that may fail without progress")
	fs.StringArrayVar(&f.labels, "label", nil, "label `key=value` (repeat)")
	fs.StringArrayVar(&f.notify, "notify", nil, "message at the end, `'CHANNEL:SUCCESS|FAILURE'`, such as 'log:{id} is there|{id}: {error}' (repeat)")
}

// build makes the request for one source and destination.
func (f *downloadFlags) build(source, destination string, stdin io.Reader) (*pb.Transfer, error) {
	t := f.common()
	t.Source, t.Destination = &pb.Endpoint{Url: source}, &pb.Endpoint{Url: destination}
	t.IfExists = enum[pb.ExistsPolicy_IfExists](pb.ExistsPolicy_IfExists_value, f.ifExists)
	t.RandomAccess = f.randomAccess
	for _, m := range f.mirrors {
		t.Mirrors = append(t.Mirrors, &pb.Endpoint{Url: m})
	}
	if err := f.fill(t); err != nil {
		return nil, err
	}
	if err := f.fillBody(t, stdin); err != nil {
		return nil, err
	}
	return t, setID(t)
}

// common is what needs no parsing.
func (f *specFlags) common() *pb.Transfer {
	t := &pb.Transfer{
		Id:              f.id,
		Method:          f.method,
		Digest:          f.digest,
		Group:           f.group,
		CompletionGroup: f.completionGroup,
		Priority:        enum[pb.PriorityClass_Priority](pb.PriorityClass_Priority_value, f.priority),
		CostPolicy:      enum[pb.CostClass_CostPolicy](pb.CostClass_CostPolicy_value, f.cost),
		LimitRate:       int64(f.limitRate),
		Connections:     f.connections,
	}
	t.RecoverableStatuses = f.recoverable
	if f.retriesGiven {
		t.Retries = &f.retries
	}
	return t
}

// fill adds what has to be parsed or read.
func (f *specFlags) fill(t *pb.Transfer) (err error) {
	if t.Headers, err = parseHeaders(f.headers); err != nil {
		return err
	}
	if t.Labels, err = parseLabels(f.labels); err != nil {
		return err
	}
	if t.Notifications, err = parseNotifications(f.notify); err != nil {
		return err
	}
	if err := declareChecksum(t, f.checksum); err != nil {
		return err
	}
	return f.fillAttention(t)
}

func (f *downloadFlags) fillBody(t *pb.Transfer, stdin io.Reader) (err error) {
	if f.body == "" {
		return nil
	}
	if isStore(f.body) {
		t.BodySource = &pb.Endpoint{Url: f.body}
	} else if t.Body, err = readBody(f.body, stdin); err != nil {
		return err
	}
	if t.Method == "" {
		t.Method = "POST"
	}
	return nil
}

func (f *specFlags) fillAttention(t *pb.Transfer) error {
	if f.attentionTTL != 0 {
		t.AttentionTtl = durationpb.New(f.attentionTTL)
	}
	if f.resolver == "" {
		if f.resolverSecret != "" {
			return usagef("--resolver-secret-file needs --resolver")
		}
		return nil
	}
	t.Resolver = &pb.Webhook{Url: f.resolver}
	if f.resolverSecret == "" {
		return nil
	}
	secret, err := readSecret("--resolver-secret-file", f.resolverSecret)
	t.Resolver.Secret = secret
	return err
}

func declareChecksum(t *pb.Transfer, text string) error {
	if text == "" {
		return nil
	}
	digits, e := transfer.ParseChecksum(text)
	if e != nil {
		return e
	}
	t.Checksums = &pb.Checksums{Sha256: digits}
	return nil
}

// setID derives the id from both ends in their canonical form, unless one is
// given: so the same command finds its transfer again.
func setID(t *pb.Transfer) error {
	source, e := transfer.NormalizeURL(t.GetSource().GetUrl(), "source")
	if e != nil {
		return e
	}
	destination, e := transfer.ParseDestination(t.GetDestination().GetUrl(), "destination")
	if e != nil {
		return e
	}
	if t.GetId() == "" {
		t.Id = transfer.DeriveID(source, destination.String())
	}
	return nil
}

// parseHeaders never repeats a value in an error: it may be a credential.
func parseHeaders(lines []string) ([]*pb.Header, error) {
	var headers []*pb.Header
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		if !found {
			return nil, usagef("a header is written 'Name: value'; one of yours has no colon")
		}
		headers = append(headers, &pb.Header{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return headers, nil
}

func parseLabels(pairs []string) (map[string]string, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	labels := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, usagef("a label is written key=value, not %q", pair)
		}
		labels[key] = value
	}
	return labels, nil
}

func readBody(name string, stdin io.Reader) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, unreadable("--body", err)
		}
		defer f.Close()
		stdin = f
	}
	body, err := io.ReadAll(io.LimitReader(stdin, maxBody))
	if err != nil {
		return nil, unreadable("--body", err)
	}
	return body, nil
}

// unreadable says which flag named a file that cannot be read.
func unreadable(flag string, err error) error {
	return &failure{code: codeFile, message: fmt.Sprintf("%s: the file cannot be read: %s", flag, reason(err)), err: err}
}

// reason is what the system said about a file, without the operation and the path.
func reason(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return err.Error()
}
