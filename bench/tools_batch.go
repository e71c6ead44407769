package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// batchTools fetch many small files in one batch, sixteen at a time where that
// is theirs to choose.
func batchTools() []tool {
	curl := []string{"-q", "-sSf", "-Z", "--parallel-max", "16", "-K"}
	return []tool{
		{"godwit get -i", []string{"godwit"}, func(p programs, j job) []string {
			return []string{p["godwit"], "get", "-q", "--no-progress", "--data-dir", j.state, "-i", j.lists["godwit"], j.out + "/"}
		}},
		{"curl -Z --parallel-max 16", []string{"curl"}, func(p programs, j job) []string {
			return append(append([]string{p["curl"]}, curl...), j.lists["curl"])
		}},
		{"curl -Z --parallel-max 16 && sync of each", []string{"curl"}, func(p programs, j job) []string {
			script := `out=$1; shift; "$@" && find "$out" -type f -print0 | xargs -0 sync`
			return shell(script, append(append([]string{j.out, p["curl"]}, curl...), j.lists["curl"])...)
		}},
		{"aria2c -j16", []string{"aria2c"}, func(p programs, j job) []string {
			return []string{p["aria2c"], "-q", "--no-conf", "-j16", "-d", j.out, "-i", j.lists["aria2c"]}
		}},
		{"wget2 --max-threads 16", []string{"wget2"}, func(p programs, j job) []string {
			return []string{p["wget2"], "-q", "--max-threads=16", "-P", j.out, "-i", j.lists["wget2"]}
		}},
		{"rclone copy --transfers 16", []string{"rclone"}, func(p programs, j job) []string {
			return []string{
				p["rclone"], "copy", "--http-url", j.base, "--transfers", "16", "--checkers", "16", ":http:" + j.name, j.out,
			}
		}},
	}
}

// listFormats are the lines of input files: for a URL, a name and the folder
// that results go to.
var listFormats = map[string]func(url, name, out string) string{
	"godwit": func(url, name, out string) string { return url + "\t" + filepath.Join(out, name) },
	"curl": func(url, name, out string) string {
		return fmt.Sprintf("url = %q\noutput = %q", url, filepath.Join(out, name))
	},
	"aria2c": func(url, name, _ string) string { return url + "\n  out=" + name },
	"wget2":  func(url, _, _ string) string { return url },
}

// makeLists writes the input file of every tool into dir.
func makeLists(dir, base, out string, count int) (map[string]string, error) {
	lists := make(map[string]string)
	for program, format := range listFormats {
		path := filepath.Join(dir, program+".list")
		lists[program] = path
		f, err := os.Create(path)
		if err != nil {
			return nil, fmt.Errorf("make input files: %w", err)
		}
		w := bufio.NewWriter(f)
		for i := range count {
			name := smallName(i)
			fmt.Fprintln(w, format(base+name, name, out))
		}
		if err := errors.Join(w.Flush(), f.Close()); err != nil {
			return nil, fmt.Errorf("make input files: %w", err)
		}
	}
	return lists, nil
}
