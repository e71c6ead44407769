package dir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"godwit/storage"
)

var _ storage.PendingLister = (*Objects)(nil)

// Clock implements [storage.PendingLister]: files are dated by the system that has
// them, which is this one or nearly so.
func (o *Objects) Clock(context.Context, string) (time.Time, error) { return time.Now(), nil }

// ListPending implements [storage.PendingLister]. It follows no links. Folders that
// cannot be read end it.
func (o *Objects) ListPending(ctx context.Context, place string, visit func(storage.Pending) error) error {
	const op = "list uploads"
	seen := map[string]bool{}
	err := filepath.WalkDir(place, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !entry.Type().IsRegular():
			return nil
		}
		id, ours := pendingID(entry.Name())
		folder := filepath.Dir(path)
		if !ours || seen[filepath.Join(folder, id)] {
			return nil
		}
		seen[filepath.Join(folder, id)] = true
		up := storage.Upload{Name: filepath.Join(folder, shortestBase(id)), ID: id}
		changed, size, err := touched(folder, id)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // published or aborted meanwhile
		}
		if err != nil {
			return err
		}
		return visit(storage.Pending{Upload: up, Names: possibleNames(folder, id), Changed: changed, Size: size})
	})
	if err != nil && storage.KindOf(err) == "" {
		return o.fail(op, place, err)
	}
	return err
}

// pendingID tells that a file belongs to an upload, and to which.
func pendingID(name string) (id string, ours bool) {
	if base, isJournal := strings.CutSuffix(name, journalSuffix); isJournal {
		name = base + partSuffix
	}
	inner, isPart := strings.CutSuffix(name, partSuffix)
	return name, isPart && strings.HasPrefix(name, ".") && strings.Contains(strings.TrimPrefix(inner, "."), ".")
}

// splits are the places at which the name of a partial file may be taken apart:
// both what it is named after and its token may hold dots.
func splits(id string) []string {
	inner := strings.TrimSuffix(id[1:], partSuffix)
	var bases []string
	for i := range len(inner) {
		if inner[i] == '.' && i > 0 {
			bases = append(bases, inner[:i])
		}
	}
	return bases
}

func possibleNames(folder, id string) []string {
	var names []string
	for _, base := range splits(id) {
		names = append(names, filepath.Join(folder, base))
	}
	return names
}

// shortestBase is some name that an upload may have: only its folder matters to
// whoever aborts it.
func shortestBase(id string) string {
	if bases := splits(id); len(bases) > 0 {
		return bases[0]
	}
	return strings.TrimSuffix(id, partSuffix)
}

// CutName is what of an object's name the names of its partial files hold when it
// is too long for all of it. It is the whole name when it never is.
func CutName(name string) string {
	base := filepath.Base(name)
	// A token that is longer than a hash never remains beside a base of this length.
	id := partialName(base, strings.Repeat("t", maxToken))
	bases := splits(id)
	if len(bases) == 0 {
		return name
	}
	return filepath.Join(filepath.Dir(name), bases[len(bases)-1])
}

// touched is the newest time of the files of an upload, and the bytes it takes.
func touched(folder, id string) (at time.Time, size int64, err error) {
	for _, name := range []string{id, journalName(id)} {
		info, statErr := os.Lstat(filepath.Join(folder, name))
		if errors.Is(statErr, fs.ErrNotExist) {
			continue
		}
		if statErr != nil {
			return at, size, statErr
		}
		if info.ModTime().After(at) {
			at = info.ModTime()
		}
		size += info.Size()
	}
	if at.IsZero() {
		return at, 0, fs.ErrNotExist
	}
	return at, size, nil
}

// Touched implements [storage.PendingLister].
func (o *Objects) Touched(_ context.Context, up storage.Upload) (time.Time, error) {
	const op = "look at upload"
	if err := checkUpload(op, up); err != nil {
		return time.Time{}, err
	}
	at, _, err := touched(filepath.Dir(up.Name), up.ID)
	if err != nil {
		return at, noUpload(op, up, err)
	}
	return at, nil
}

// ListPublished implements [storage.PendingLister]. Hidden files are none.
func (o *Objects) ListPublished(_ context.Context, place string, visit func(storage.Published) error) error {
	entries, err := os.ReadDir(place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return o.fail("list", place, err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || strings.HasPrefix(entry.Name(), ".")) {
			continue
		}
		if err != nil {
			return o.fail("list", place, err)
		}
		if err := visit(storage.Published{Name: filepath.Join(place, entry.Name()), Changed: info.ModTime(), Size: info.Size()}); err != nil {
			return err
		}
	}
	return nil
}
