package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestPlan: each call of each way is struck in three ways, once, in an order
// that the seed decides.
func TestPlan(t *testing.T) {
	all := plan([]int{2, 0, 1}, 1, 0)
	seen := map[blow]bool{}
	for _, b := range all {
		seen[b] = true
	}
	if len(all) != 9 || len(seen) != 9 || !seen[blow{0, 2, killAfter}] || !seen[blow{2, 1, errorBefore}] {
		t.Errorf("planned: %v", all)
	}
	if again := plan([]int{2, 0, 1}, 1, 0); !slices.Equal(all, again) {
		t.Errorf("planned again with the same seed: %v", again)
	}
	if other := plan([]int{2, 0, 1}, 2, 0); slices.Equal(all, other) {
		t.Error("another seed changes nothing")
	}
	if some := plan([]int{2, 0, 1}, 1, 4); !slices.Equal(some, all[:3]) {
		t.Errorf("one in four is %v", some)
	}
}

// TestLeftovers: a partial file that nobody removes is found, wherever it is.
func TestLeftovers(t *testing.T) {
	v := &victim{c: &Cluster{opts: Options{Folder: t.TempDir()}}}
	folder := filepath.Join(filesBelow(v.c.opts.Folder), "below")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	hidden := filepath.Join(folder, ".part")
	for _, path := range []string{filepath.Join(folder, "result"), hidden} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if found := v.leftovers(); !slices.Equal(found, []string{hidden}) {
		t.Error(found)
	}
}

// TestTortureJudges: what never came, never ended, or is another content, is
// told.
func TestTortureJudges(t *testing.T) {
	r, err := startReceiver()
	if err != nil {
		t.Fatal(err)
	}
	defer r.server.Close()
	h := r.add("group", []string{"a"}, nil)
	if wrong := r.judge(h, "task"); len(wrong) != 1 {
		t.Errorf("a group of which nothing was told: %v", wrong)
	}
	h.deliveries = []delivery{{id: "task", reply: taken}, {id: "other", reply: taken}}
	if wrong := r.judge(h, "task"); len(wrong) != 1 {
		t.Errorf("a group that was told under two ids: %v", wrong)
	}
	if got := (way{address: "http://proxy:1"}).through("http://server:2/a?b=c"); got != "http://proxy:1/a?b=c" {
		t.Error(got)
	}
	if got := fmt.Sprint(&blow{toHook, 3, replyLost}); got != "answer lost, call 3 to the receiver" {
		t.Error(got)
	}
}
