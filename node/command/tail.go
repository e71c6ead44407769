package command

// maxOutput is how much of a command's output is kept, in bytes.
const maxOutput = 64 << 10

// tail keeps the end of what is written to it. The zero value is empty.
type tail struct{ kept []byte }

// Write implements io.Writer. It never fails.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	p = p[max(len(p)-maxOutput, 0):]
	// What is too much is dropped only when it is as much as what is kept, so
	// that small writes cost little.
	if len(t.kept)+len(p) > 2*maxOutput {
		last := t.kept[max(len(t.kept)-maxOutput, 0):]
		t.kept = t.kept[:copy(t.kept, last)]
	}
	t.kept = append(t.kept, p...)
	return n, nil
}

// String returns the end, at most maxOutput bytes.
func (t *tail) String() string { return string(t.kept[max(len(t.kept)-maxOutput, 0):]) }
