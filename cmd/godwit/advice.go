package main

import (
	"net/http"
	"strings"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// advised is an error with advice that fits better than that of its code.
type advised struct {
	error
	advice string
}

func (a *advised) Unwrap() error { return a.error }

// advise says what may be done about a transfer that has failed, where its code
// alone says too little.
func (j *job) advise(t *pb.Transfer, err error) error {
	code, status := transfer.Code(client.CodeOf(err)), t.GetResponse().GetStatusCode()
	switch {
	case code == transfer.CodeMaybeDuplicate:
		return &advised{err, "Look at the server whether the upload arrived. If it did not: " + j.sendAgain(t.GetId()) +
			".\n  An --idempotency-key lets godwit repeat it by itself."}
	case t.GetDirection() == pb.Transfer_UPLOAD && (status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented):
		return &advised{err, "Check the URL, or choose another --method or --protocol: the server does not take " + t.GetMethod() + " there."}
	case code.Retryable() && strings.HasPrefix(code.Info().Advice, "Wait: "):
		return &advised{err, "Its tries are used up. Run the command again later to go on."}
	}
	return err
}

// cutOff tells that a transfer, interrupted now, has begun a request that is not
// repeated although nobody knows what came of it.
func cutOff(t *pb.Transfer) bool {
	u := t.GetUpload()
	once := u.GetChosenProtocol() == string(transfer.ProtocolPut) || u.GetChosenProtocol() == string(transfer.ProtocolPost)
	idempotent := t.GetMethod() == http.MethodPut || t.GetMethod() == http.MethodDelete
	return t.GetStatus() == pb.Transfer_RUNNING && once && !idempotent && u.GetIdempotencyKey() == "" && !u.GetRepeatUnsafe()
}

// sendAgain is what makes a request again that godwit does not repeat. A retry
// without a server would be cut off when its command ends.
func (j *job) sendAgain(id string) string {
	if len(j.target.servers) > 0 {
		return quoteAll(j.command("retry", id))
	}
	return quoteAll(j.command("rm", id)) + ", then run this command again"
}

// whoseFile says how to send a file of this machine where a server has refused its
// path.
func (p *putCommand) whoseFile(err error) error {
	code := client.CodeOf(err)
	if len(p.target.servers) == 0 || code != string(transfer.CodePathDenied) && code != string(transfer.CodeSourceMissing) {
		return err
	}
	return &advised{err, "Name a file of the server, below one of its file roots; or send one of this machine: godwit put - URL < FILE"}
}
