package dir

import (
	"io/fs"
	"os"
	"sync"
	"time"
)

// folderTrust is how long an open folder is shared before its path is walked
// again from the root that confines it.
const folderTrust = time.Second

// folder is an open folder. Operations that overlap share one, because to walk
// to a folder costs more than most of what is done to a small file in it.
type folder struct {
	*os.Root
	// handle is the same folder, for system calls that want a descriptor.
	handle *os.File
	// info tells this folder from another one that takes its path.
	info   fs.FileInfo
	opened time.Time
	// users is guarded by folders.mu; the last one closes the folder.
	users int
}

// newFolder takes root over, also when it fails.
func newFolder(root *os.Root) (*folder, error) {
	f := &folder{Root: root, opened: time.Now()}
	var err error
	if f.handle, err = root.Open("."); err == nil {
		f.info, err = f.handle.Stat()
	}
	if err != nil {
		f.closeBoth()
		return nil, err
	}
	return f, nil
}

func (f *folder) closeBoth() {
	if f.handle != nil {
		_ = f.handle.Close()
	}
	_ = f.Root.Close()
}

// folders are the folders that operations hold open now, by path. Nothing
// stays open for later, so that an idle store is in nobody's way.
type folders struct {
	mu   sync.Mutex
	open map[string]*folder // guarded by mu
}

func newFolders() *folders { return &folders{open: map[string]*folder{}} }

// join returns the folder that others hold open at path, or nil when there is
// none, when it was opened too long ago, or when the path names another folder
// by now.
func (s *folders) join(path string) *folder {
	s.mu.Lock()
	f := s.open[path]
	if f == nil || time.Since(f.opened) > folderTrust {
		s.mu.Unlock()
		return nil
	}
	f.users++
	s.mu.Unlock()
	if info, err := os.Stat(path); err != nil || !os.SameFile(info, f.info) {
		s.leave(path, f)
		return nil
	}
	return f
}

// share lets others join a folder just opened, which has one user.
func (s *folders) share(path string, f *folder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.users = 1
	s.open[path] = f
}

// leave ends one use; the last one closes the folder.
func (s *folders) leave(path string, f *folder) {
	s.mu.Lock()
	f.users--
	last := f.users == 0
	if last && s.open[path] == f {
		delete(s.open, path)
	}
	s.mu.Unlock()
	if last {
		f.closeBoth()
	}
}
