//go:build !linux

package dir

// networkFileSystem cannot tell.
func networkFileSystem(string) string { return "" }
