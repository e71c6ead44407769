// Command gen writes docs/errors.md from the table of codes in package
// transfer. Run it from the root of the repository:
//
//	go run ./docs/gen
//
// Its tests fail when the page is not current, and when docs/limits.md says of
// a constant what the code does not.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"godwit/transfer"
)

// page is where the table goes.
const page = "docs/errors.md"

func main() {
	if err := os.WriteFile(page, errorsPage(transfer.Codes()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// preface explains the columns.
const preface = `# Errors

<!-- Written by go run ./docs/gen. Do not edit. -->

Every failure has a code: a stable, dotted word that scripts may rely on. Codes are only ever added. The API carries
them as the ` + "`code`" + ` of an error and of a failed transfer; the command line prints them on standard error (as JSON with
` + "`-o json`" + `).

The **class** says what a failure means for a transfer:

- *transient*: the same request may work later. It is tried again, after a pause that grows from 1 s to 5 min, or when
  the server's ` + "`Retry-After`" + ` says. Progress resets the count.
- *restart*: what was stored is of no use. It is removed, and the transfer begins again at byte 0.
- *permanent*: trying again cannot help. The next mirror is tried, or the transfer fails.
- *refused*: the request itself is not acceptable. Nothing was done.

**Exit** is the exit code of a command that ends with this error; **HTTP** is the status of the API's answer when a
call fails with it; **WebErrorStatus** is the name that applications know from background transfers. Where an HTTP
status of the origin gives a better name than the table (404: ` + "`NOT_FOUND`" + `), that one is used.

`

// errorsPage is the whole page.
func errorsPage(codes []transfer.CodeInfo) []byte {
	var out bytes.Buffer
	out.WriteString(preface)
	fmt.Fprintln(&out, "| code | meaning for the transfer | what to do | exit | HTTP | WebErrorStatus |")
	fmt.Fprintln(&out, "| --- | --- | --- | ---: | ---: | --- |")
	for _, c := range codes {
		fmt.Fprintf(&out, "| `%s` | %s | %s | %d | %d | `%s` |\n",
			c.Code, c.Class, strings.ReplaceAll(c.Advice, "|", `\|`), c.Exit, c.HTTP, c.WebStatus)
	}
	out.WriteString(commandCodes)
	out.WriteString(exits)
	return out.Bytes()
}

// commandCodes are the codes that commands and the client give by themselves.
const commandCodes = `
## Codes of the command line

These say that a command failed, not that a transfer did, and are in no answer of the API.

| code | when | exit |
| --- | --- | ---: |
| ` + "`usage.invalid`" + ` | the command line, a variable or the configuration is not acceptable | 2 |
| ` + "`file.unreadable`" + ` | a file that a flag or an argument names cannot be read | 2 |
| ` + "`file.exists`" + ` | a file that the command would make is there already | 5 |
| ` + "`file.unwritable`" + ` | a file that the command would make cannot be written | 1 |
| ` + "`client.invalid`" + ` | a server's URL or the token cannot be used | 2 |
| ` + "`transfer.some_failed`" + ` | some transfers of a batch, a watch or a completion group have no result, or the group failed | 7 |
| ` + "`transfer.canceled`" + ` | the transfer waited for was canceled | 1 |
| ` + "`wait.timeout`" + ` | the time to wait was over | 10 |
| ` + "`wait.interrupted`" + `, ` + "`client.interrupted`" + ` | the command was interrupted | 130 |
| ` + "`server.unreachable`" + ` | no server answers, or its certificate is not trusted | 6 |
| ` + "`server.incompatible`" + ` | what answers is no godwit, or of another version | 6 |
| ` + "`state.damaged`" + ` | ` + "`godwit state fsck`" + ` found damage, or ` + "`state export`" + ` left damaged records out | 1 |
| ` + "`state.copy_invalid`" + ` | the file is no whole copy of a state store; nothing was written | 9 |
| ` + "`state.not_empty`" + ` | a copy is put back into an empty state store only; nothing was written | 5 |
| ` + "`state.in_use`" + ` | a node runs on the state store, or writes to it while a copy is put back | 5 |
| ` + "`state.not_found`" + ` | there is no state of a cluster, or only half of one that was being put back | 4 |
| ` + "`doctor.unsafe`" + ` | ` + "`godwit doctor`" + ` found an error | 1 |
| ` + "`demo.failed`" + ` | ` + "`godwit demo`" + ` did not show what it should | 1 |
`

// exits are the exit codes of the command line that no code of a transfer has.
const exits = `
## Exit codes

| exit | meaning |
| ---: | --- |
| 0 | what was asked for is so |
| 1 | a transfer failed |
| 2 | the command or the request is not acceptable |
| 3 | authentication or permission |
| 4 | not found |
| 5 | a conflict: the destination exists, the id is taken, the state does not fit |
| 6 | no server answers, or the node concerned cannot be reached |
| 7 | some members of a batch or group failed |
| 9 | the checksum does not match; nothing was published |
| 10 | the time to wait was over; the transfer goes on or can be resumed |
| 130 | interrupted; the command to go on with is printed |
`
