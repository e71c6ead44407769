package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// fromStdin stands for standard input in place of a source.
const fromStdin = "-"

// putCommand is one invocation of put.
type putCommand struct {
	job
	spec uploadFlags
}

// uploadFlags say more of an upload.
type uploadFlags struct {
	specFlags
	form                  []string
	related               bool
	keyGiven              bool
	protocol, key         string
	repeatUnsafe          bool
	digestHeaders, expect bool
	presigned             string
	partSize              bytesFlag
}

func (f *uploadFlags) add(cmd *cobra.Command) {
	f.specFlags.add(cmd, "HTTP method (default PUT; POST for a form and --protocol post)")
	fs := cmd.Flags()
	fs.StringArrayVarP(&f.form, "form", "F", nil, "part of a form: `name=value`, name=@path for a file, name=<path for the text in one; may end with ;type=MEDIATYPE and ;filename=NAME (repeat)")
	fs.BoolVar(&f.related, "form-related", false, "send the parts as multipart/related; their names may be empty")
	words := make([]string, len(transfer.Protocols))
	for i, p := range transfer.Protocols {
		words[i] = string(p)
	}
	addWord(cmd, &f.protocol, "protocol", "", "how the bytes are carried (default auto: the server is asked)", words...)
	fs.StringVar(&f.key, "idempotency-key", "", "`key` by which the server notices a repetition; it makes a POST safe to repeat")
	fs.BoolVar(&f.repeatUnsafe, "repeat-unsafe", false, "repeat a request that may have been carried out, although it may then be so twice")
	fs.BoolVar(&f.digestHeaders, "digest-headers", false, "send the SHA-256 along, in Content-Digest and Repr-Digest (put, post, ietf) or Upload-Checksum (tus)")
	fs.BoolVar(&f.expect, "expect", false, "ask for leave with Expect: 100-continue before the content is sent")
	fs.StringVar(&f.presigned, "presigned", "", "JSON `file` with the signed URLs for s3-presigned: partUrls, completeUrl, abortUrl and objectUrl")
	fs.Var(&f.partSize, "part-size", "bytes of one request, such as 16M, where there are several (default automatic)")
}

func newPut(a *app) *cobra.Command {
	p := &putCommand{job: job{a: a}}
	cmd := &cobra.Command{
		Use:   "put [SRC] URL",
		Short: "Upload a file or a form, and go on where it was when run again",
		Long: `Upload SRC to URL. SRC is a path, file:///path, s3://bucket/key, or - for standard
input, which is kept whole before anything is sent. URL is that of the file to be,
not of a folder, or the one at which the server makes uploads (tus, ietf, gcs).
With --form there is no SRC: the parts given make a multipart body.

The same command, run again after an interruption or a crash, goes on where it
was, as far as the server lets it; when everything has arrived it says so. What
the server answered is read with godwit transfer cat. Without --server this
process does the work; with it the files are those of the server's machine.

Protocols: auto asks the server with OPTIONS, and takes tus or ietf where these
are offered, otherwise put, or post for a form. put and post send everything in
one request, and begin again when it is cut off. The others go on from what the
server has: tus, ietf, gcs (a resumable session of Google Cloud Storage),
content-range (PUTs of parts), and s3-presigned (a multipart upload whose URLs
are in the file of --presigned).

A POST that may have been carried out is not made again, not even by the same
command, without an --idempotency-key or --repeat-unsafe.`,
		Example: `  godwit put big.iso https://example.com/uploads/big.iso
  godwit put big.iso https://tus.example.com/files/ --protocol tus
  godwit put --form title=Holiday --form 'file=@film.mp4;type=video/mp4' https://example.com/form
  godwit put --server http://127.0.0.1:7480 --detach /srv/files/big.iso https://example.com/big.iso
  tar c folder | godwit put - https://example.com/folder.tar`,
		Args: arguments(0, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.spec.retriesGiven = cmd.Flags().Changed("retries")
			p.spec.keyGiven = cmd.Flags().Changed("idempotency-key")
			p.named = p.spec.id != ""
			return p.run(cmd.Context(), args)
		},
	}
	p.spec.add(cmd)
	p.add(cmd)
	return cmd
}

func (p *putCommand) run(ctx context.Context, args []string) error {
	return p.bounded(ctx, func(ctx context.Context) error {
		t, err := p.request(args)
		if err != nil {
			return err
		}
		return p.a.with(ctx, p.target, func(s *session) error {
			if p.once {
				if err := p.spool(ctx, s, t); err != nil {
					return err
				}
			}
			return p.whoseFile(p.one(ctx, s, t))
		})
	})
}

// request makes the transfer of the command line. Of standard input the source is
// not known yet.
func (p *putCommand) request(args []string) (*pb.Transfer, error) {
	source, url, err := p.ends(args)
	if err != nil {
		return nil, err
	}
	if err := p.spec.settleProtocol(); err != nil {
		return nil, err
	}
	t := p.spec.common()
	t.Direction, t.Destination = pb.Transfer_UPLOAD, &pb.Endpoint{Url: url}
	t.PartSize = int64(p.spec.partSize)
	t.Upload = &pb.Upload{
		Protocol: p.spec.protocol, IdempotencyKey: p.spec.key, RepeatUnsafe: p.spec.repeatUnsafe,
		DigestHeaders: p.spec.digestHeaders, ExpectContinue: p.spec.expect,
	}
	if err := p.spec.fill(t); err != nil {
		return nil, err
	}
	if p.spec.presigned != "" {
		if t.Upload.Presigned, err = readPresigned(p.spec.presigned); err != nil {
			return nil, err
		}
	}
	local := len(p.target.servers) == 0
	switch p.once = source == fromStdin; {
	case p.once:
	case source != "":
		place, err := place(source, local)
		if err != nil {
			return nil, err
		}
		t.Source = &pb.Endpoint{Url: place}
	default:
		if t.Upload.Form, err = p.spec.makeForm(p.a.stdin, local); err != nil {
			return nil, err
		}
	}
	return t, p.setID(t)
}

// settleProtocol looks at what belongs to one protocol, or to a request that may be
// repeated.
func (f *uploadFlags) settleProtocol() error {
	presigned := string(transfer.ProtocolS3)
	switch {
	case f.keyGiven && f.key == "":
		return usagef("--idempotency-key is empty")
	case f.presigned == "" && f.protocol == presigned:
		return usagef("--protocol s3-presigned needs --presigned FILE, with the signed URLs")
	case f.presigned != "" && f.protocol == "":
		f.protocol = presigned
	}
	return nil
}

// ends takes the arguments apart; the source of a form is "".
func (p *putCommand) ends(args []string) (source, url string, err error) {
	form := len(p.spec.form) > 0
	switch {
	case form && len(args) == 2:
		return "", "", usagef("with --form there is no SRC: godwit put --form … URL")
	case form && len(args) == 0:
		return "", "", usagef("an argument is missing: godwit put --form … URL")
	case len(args) == 0, !form && len(args) == 1:
		return "", "", usagef("an argument is missing: godwit put SRC URL")
	case p.spec.related && !form:
		return "", "", usagef("--form-related needs --form")
	case form:
		return "", args[0], nil
	case isWeb(args[0]):
		return "", "", usagef("the source comes first: godwit put SRC URL")
	}
	return args[0], args[1], nil
}

// setID derives the id from what is sent and where to, unless one is given. What
// comes from standard input is another thing each time.
func (p *putCommand) setID(t *pb.Transfer) error {
	url, e := transfer.NormalizeURL(t.GetDestination().GetUrl(), "destination")
	if e != nil {
		return e
	}
	if t.GetId() != "" || p.once {
		return nil
	}
	if form := t.GetUpload().GetForm(); form != nil {
		t.Id = transfer.DeriveID(formIdentity(form), url)
		return nil
	}
	source, e := transfer.ParseSource(t.GetSource().GetUrl(), "source")
	if e != nil {
		return e
	}
	t.Id = transfer.DeriveID(source.String(), url)
	return nil
}

// place makes a source a URL: relative paths are those of the current folder. A
// file of this machine is looked at.
func place(source string, local bool) (string, error) {
	path, isFile := strings.CutPrefix(source, "file://")
	switch {
	case isFile:
	case isStore(source):
		return source, nil
	case strings.Contains(source, "://"):
		return "", usagef("a source is a path, file:///path or s3://bucket/key")
	default:
		abs, err := filepath.Abs(source)
		if err != nil {
			return "", &failure{code: codeFile, message: "the current folder cannot be found", err: err}
		}
		if path = abs; strings.HasSuffix(source, "/") {
			path += "/"
		}
	}
	if local {
		if err := checkSource(path); err != nil {
			return "", err
		}
	}
	return "file://" + path, nil
}

func checkSource(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil && os.IsNotExist(err):
		return &failure{code: string(transfer.CodeSourceMissing), message: "there is no file " + path, err: err}
	case err != nil:
		return unreadable("SRC", err)
	case info.IsDir():
		return &failure{
			code: string(transfer.CodePathInvalid), message: path + " is a folder",
			advice: "Give a file; of a folder make one first, for example with tar, or pipe it: tar c FOLDER | godwit put - URL.",
		}
	case !info.Mode().IsRegular():
		return &failure{
			code: string(transfer.CodePathInvalid), message: path + " is no regular file", advice: "Pipe it: godwit put - URL.",
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return &failure{
			code: string(transfer.CodeStoreDenied), message: path + " cannot be read: " + reason(err),
			advice: "Check the permissions of the file.", err: err,
		}
	}
	return f.Close()
}

// readPresigned never repeats a value in an error: the URLs are signed.
func readPresigned(file string) (*pb.Presigned, error) {
	text, err := readTextFile("--presigned", file)
	if err != nil {
		return nil, err
	}
	p := &pb.Presigned{}
	if err := protojson.Unmarshal([]byte(text), p); err != nil {
		return nil, usagef("--presigned: the file is no JSON with partUrls, completeUrl, abortUrl and objectUrl")
	}
	return p, nil
}
