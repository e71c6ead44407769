package main

import (
	"path/filepath"
	"strings"

	"godwit/transfer"
)

// folder answers what resolving a destination must know of the file system.
type folder struct {
	// current is the absolute current folder.
	current string
	// isFolder tells whether a path is an existing folder.
	isFolder func(path string) bool
}

// resolve makes DEST a destination URL. An empty one, an existing folder and
// one with a trailing slash take the name of the source; relative paths are
// those of the current folder.
func (f folder) resolve(dest, source string) (string, error) {
	scheme, rest, isURL := strings.Cut(dest, "://")
	switch {
	case dest == "-":
		return "", usagef("a download goes to a file or an object; for standard output use 'godwit transfer cat ID'")
	case !isURL:
		return "file://" + f.file(dest, source), nil
	case strings.EqualFold(scheme, "file"):
		return "file://" + f.named(rest, source), nil
	case strings.EqualFold(scheme, "s3"):
		return "s3://" + object(rest, source), nil
	case strings.EqualFold(scheme, "http"), strings.EqualFold(scheme, "https"):
		return "", usagef("DEST must not be a web address; to download several files give them with -i, one a line")
	default:
		return "", usagef("DEST is a path, file:///path or s3://bucket/key, not %s://", printable(scheme))
	}
}

func (f folder) file(dest, source string) string {
	if dest == "" {
		return filepath.Join(f.current, transfer.RemoteName(source))
	}
	if !filepath.IsAbs(dest) {
		// A relative path may climb: it is typed by the person whose folder this is.
		slash := strings.HasSuffix(dest, "/")
		dest = filepath.Join(f.current, dest)
		if slash {
			dest += "/"
		}
	}
	return f.named(dest, source)
}

// named adds the source's name to a folder.
func (f folder) named(path, source string) string {
	if strings.HasSuffix(path, "/") || f.isFolder(path) {
		return strings.TrimSuffix(path, "/") + "/" + transfer.RemoteName(source)
	}
	return path
}

// object adds the source's name to a bucket or a prefix.
func object(name, source string) string {
	if !strings.Contains(name, "/") {
		name += "/"
	}
	if strings.HasSuffix(name, "/") {
		return name + transfer.RemoteName(source)
	}
	return name
}

// shown is a destination as a person would write it.
func shown(destination string) string {
	return printable(strings.TrimPrefix(destination, "file://"))
}
