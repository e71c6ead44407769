package dir_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"godwit/storage"
	"godwit/storage/dir"
)

// The test binary runs itself as other processes, which do what roleEnv says
// in the folder rootEnv names.
const (
	roleEnv = "DIR_TEST_ROLE"
	rootEnv = "DIR_TEST_ROOT"
)

func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) == "" {
		os.Exit(m.Run())
	}
	// The other tests are not for this process; its output is its report.
	os.Args = []string{os.Args[0], "-test.run=^TestRole$", "-test.v"}
	os.Exit(m.Run())
}

// TestRole is what another process does.
func TestRole(t *testing.T) {
	root := os.Getenv(rootEnv)
	switch os.Getenv(roleEnv) {
	case "":
		t.Skip("only of use in a process started by another test")
	case "count":
		records := openRecords(t, root)
		for range incrementsEach {
			if err := incrementRecord(t, records); err != nil {
				t.Fatal(err)
			}
		}
	case "swap until killed":
		swapForever(t, openRecords(t, root))
	case "store until killed":
		storeForever(t, root)
	case "count and compact":
		records := openRecords(t, root)
		records.Inject(dir.Faults{MinGarbage: 1})
		for range incrementsEach {
			if err := incrementRecord(t, records); err != nil {
				t.Fatal(err)
			}
		}
	default:
		step, ok := strings.CutPrefix(os.Getenv(roleEnv), "compact and die after ")
		if !ok {
			t.Fatal("no such role")
		}
		compactAndDie(t, openRecords(t, root), step)
	}
}

func process(role, root string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, rootEnv+"="+root)
	return cmd
}

// incrementsEach is what each of several processes adds to one number.
const incrementsEach = 50

func incrementRecord(t *testing.T, records storage.RecordStore) error {
	for {
		rec, err := records.Get(t.Context(), "n")
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(rec.Body))
		if err != nil {
			return err
		}
		_, err = records.CompareAndSwap(t.Context(), "n", []byte(strconv.Itoa(n+1)), rec.Version)
		if !errors.Is(err, storage.ErrMismatch) {
			return err
		}
	}
}

// Four processes increment one number: none of their increments is lost, while
// nobody compacts and while all do.
func TestRecordsOfSeveralProcesses(t *testing.T) {
	for _, role := range []string{"count", "count and compact"} {
		t.Run(role, func(t *testing.T) { countTogether(t, role) })
	}
}

func countTogether(t *testing.T, role string) {
	const processes = 4
	root := t.TempDir()
	records := openRecords(t, root)
	if _, err := records.Create(t.Context(), "n", []byte("0")); err != nil {
		t.Fatal(err)
	}
	outputs := make([]bytes.Buffer, processes)
	cmds := make([]*exec.Cmd, processes)
	for i := range cmds {
		cmds[i] = process(role, root)
		cmds[i].Stdout, cmds[i].Stderr = &outputs[i], &outputs[i]
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, &outputs[i])
		}
	}
	rec, err := records.Get(t.Context(), "n")
	if err != nil || string(rec.Body) != strconv.Itoa(processes*incrementsEach) {
		t.Fatalf("counted %q, %v", rec.Body, err)
	}
	if g := records.Generation(); (g > 1) != (role == "count and compact") {
		t.Errorf("the log was written anew %d times", g-1)
	}
}

// compactAndDie writes until a compaction has made a step, and is killed there.
func compactAndDie(t *testing.T, records *dir.Records, step string) {
	records.Inject(dir.Faults{MinGarbage: 1, Step: func(done string) {
		if done == step {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}})
	swapForever(t, records)
}

// A process is killed after each step of a compaction. What it had been
// acknowledged is there, the next writer goes on, and nothing is left behind.
func TestKilledCompaction(t *testing.T) {
	for _, step := range []string{"copied", "synced", "renamed"} {
		root := t.TempDir()
		before := openRecords(t, root)
		if _, err := before.Create(t.Context(), "other", []byte("untouched")); err != nil {
			t.Fatal(err)
		}
		cmd := process("compact and die after "+step, root)
		acked, err := strconv.Atoi(killAfter(t, cmd, math.MaxInt))
		if err != nil {
			t.Fatal(err)
		}
		for _, records := range []*dir.Records{before, openRecords(t, root)} {
			checkHolds(t, records, map[string]string{"other": "untouched"})
			rec := checkCounted(t, records, acked)
			acked++
			if _, err := records.CompareAndSwap(t.Context(), "n", []byte(strconv.Itoa(acked)), rec.Version); err != nil {
				t.Errorf("%s: %v", step, err)
			}
		}
		entries, err := os.ReadDir(root)
		if err != nil || len(entries) != 2 {
			t.Errorf("%s: in the folder: %v, %v", step, entries, err)
		}
	}
}

// checkCounted demands that the number is the acknowledged one, or the next.
func checkCounted(t *testing.T, records storage.RecordStore, acked int) storage.Record {
	t.Helper()
	rec, err := records.Get(t.Context(), "n")
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(rec.Body), " ")
	if n, err := strconv.Atoi(text); err != nil || n < acked || n > acked+1 {
		t.Fatalf("acknowledged %d, found %q", acked, text)
	}
	return rec
}

// swapForever writes 1, 2, 3, … and prints each number once it is
// acknowledged.
func swapForever(t *testing.T, records storage.RecordStore) {
	version, err := records.Create(t.Context(), "n", []byte("0"))
	for n := 1; err == nil; n++ {
		fmt.Printf("ack %d\n", n-1)
		body := append([]byte(strconv.Itoa(n)+" "), make([]byte, 64<<10)...)
		version, err = records.CompareAndSwap(t.Context(), "n", body, version)
	}
	t.Fatal(err)
}

// killAfter starts a process, kills it with SIGKILL as soon as it has printed
// that many acknowledgements, and returns the last one it printed.
func killAfter(t *testing.T, cmd *exec.Cmd, acks int) (last string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); {
		if ack, ok := strings.CutPrefix(lines.Text(), "ack "); ok {
			last = ack
			if seen++; seen == acks {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the process was not killed: %v", err)
	}
	return last
}

// A process is killed while it writes. What it had been acknowledged is there,
// or the one write after that; nothing is half, nothing is locked.
func TestRecordsAfterAKill(t *testing.T) {
	for _, acks := range []int{1, 7, 40} {
		root := t.TempDir()
		acked, err := strconv.Atoi(killAfter(t, process("swap until killed", root), acks))
		if err != nil {
			t.Fatal(err)
		}
		records := openRecords(t, root)
		rec := checkCounted(t, records, acked)
		if _, err := records.CompareAndSwap(t.Context(), "n", []byte("next"), rec.Version); err != nil {
			t.Fatal(err)
		}
	}
}

const killedPart = 100_000

// storeForever commits part after part and says so.
func storeForever(t *testing.T, root string) {
	objects := openObjects(t)
	up, err := objects.Begin(t.Context(), filepath.Join(root, "big"), storage.BeginOptions{Token: "t", Size: storage.UnknownSize})
	for n := 1; err == nil; n++ {
		var w storage.PartWriter
		w, err = objects.OpenPart(t.Context(), up, n, int64(n-1)*killedPart, killedPart)
		if err != nil {
			break
		}
		if _, err = w.ReadFrom(numbered(n)); err != nil {
			break
		}
		if _, err = w.Commit(t.Context()); err == nil {
			fmt.Printf("ack %d %s\n", n, up.ID)
		}
	}
	t.Fatal(err)
}

// numbered is the endless content of one part.
func numbered(n int) io.Reader {
	return strings.NewReader(strings.Repeat(fmt.Sprintf("%8d", n), killedPart/8))
}

// A process is killed while it stores parts. Every part it had committed is
// found, and the object is finished by another.
func TestObjectsAfterAKill(t *testing.T) {
	root := t.TempDir()
	var acked int
	var id string
	last := killAfter(t, process("store until killed", root), 20)
	if _, err := fmt.Sscan(last, &acked, &id); err != nil {
		t.Fatal(err)
	}
	objects := openObjects(t)
	up := storage.Upload{Name: filepath.Join(root, "big"), ID: id}
	parts, err := objects.ListParts(t.Context(), up)
	if err != nil || len(parts) < acked {
		t.Fatalf("%d parts of %d committed, %v", len(parts), acked, err)
	}
	opts := storage.CompleteOptions{Token: "t"}
	var want bytes.Buffer
	for i, part := range parts {
		if _, err := io.Copy(&want, numbered(i+1)); err != nil {
			t.Fatal(err)
		}
		opts.Size += part.Size
		opts.CRC64 = storage.CombineCRC64(opts.CRC64, part.CRC64, part.Size)
	}
	if _, err := objects.Complete(t.Context(), up, parts, opts); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(up.Name)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("published %d bytes that differ, %v", len(got), err)
	}
	if left := leftovers(t, root); len(left) > 0 {
		t.Fatalf("left behind: %q", left)
	}
}
