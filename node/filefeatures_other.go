//go:build !linux

package node

// fileFeatures has nothing to look for: the stores use no optional features of
// file systems here.
func fileFeatures(string) []feature { return nil }
