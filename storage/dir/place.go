package dir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// errOutside tells that a name lies in none of the configured roots.
var errOutside = errors.New("outside of every allowed root")

// place is the folder an object lies in, open for one operation, so that all
// that it does to the object happens in that very folder whatever becomes of
// the path.
type place struct {
	*folder
	folders *folders
	// path is the folder's, base the object's name in it.
	path, base string
}

// Close ends the use of the folder.
func (p *place) Close() error {
	p.folders.leave(p.path, p.folder)
	return nil
}

// open opens the place of a name. With create, folders that are missing are
// made and synced; without, they are an fs.ErrNotExist.
func (o *Objects) open(name string, create bool) (*place, error) {
	p := &place{folders: o.folders, path: filepath.Dir(name), base: filepath.Base(name)}
	if p.folder = o.folders.join(p.path); p.folder != nil {
		return p, nil
	}
	root, err := o.walk(p.path, create)
	if err != nil {
		return nil, err
	}
	if p.folder, err = newFolder(root); err != nil {
		return nil, err
	}
	o.folders.share(p.path, p.folder)
	return p, nil
}

// walk opens a folder from the top that confines it.
func (o *Objects) walk(path string, create bool) (*os.Root, error) {
	top, rest, err := o.top(path)
	if err != nil {
		return nil, err
	}
	if rest == "." {
		return top, nil
	}
	defer top.Close()
	folder, err := top.OpenRoot(rest + asFolder)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err := o.makeFolders(top, rest); err != nil {
			return nil, err
		}
		return top.OpenRoot(rest + asFolder)
	}
	return folder, err
}

// asFolder behind a path makes the system refuse whatever is no folder, and
// say so, before it opens it: to open a pipe waits for its other end.
const asFolder = "/."

// top opens the folder from which folder is reached without trusting links
// that lead out: the configured root that holds it. Where names are not
// confined it is the deepest folder that exists. rest is the path from there.
func (o *Objects) top(folder string) (top *os.Root, rest string, err error) {
	if len(o.roots) > 0 {
		root := o.rootOf(folder)
		if root == "" {
			return nil, "", errOutside
		}
		top, err = os.OpenRoot(root + asFolder)
		if err != nil {
			return nil, "", err
		}
		rest, err = filepath.Rel(root, folder)
		return top, rest, err
	}
	for at := folder; ; at = filepath.Dir(at) {
		top, err = os.OpenRoot(at + asFolder)
		if err == nil {
			rest, err = filepath.Rel(at, folder)
			return top, rest, err
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return nil, "", err
		}
	}
}

// rootOf returns the configured root that holds folder, the deepest of several,
// or "".
func (o *Objects) rootOf(folder string) string {
	found := ""
	for _, root := range o.roots {
		rel, err := filepath.Rel(root, folder)
		if err == nil && filepath.IsLocal(rel) && len(root) > len(found) {
			found = root
		}
	}
	return found
}

// makeFolders creates the folders of a path below top, each synced into the
// one above it.
func (o *Objects) makeFolders(top *os.Root, path string) error {
	done := "."
	for _, name := range strings.Split(filepath.ToSlash(path), "/") {
		next := filepath.Join(done, name)
		err := top.Mkdir(next, newFolderMode)
		if err == nil {
			err = o.syncs.Sync(filepath.Join(top.Name(), done))
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		done = next
	}
	return nil
}

// lstat describes a file of the folder without following a link; nil when
// there is none.
func (p *place) lstat(name string) (fs.FileInfo, error) {
	info, err := p.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return info, err
}

// remove removes a file of the folder if it is there.
func (p *place) remove(name string) error {
	if err := p.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
