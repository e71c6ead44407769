package main

import (
	"bufio"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fileSystems are names of the file systems whose numbers statfs(2) returns.
var fileSystems = map[int64]string{
	0xEF53: "ext4", 0x58465342: "xfs", 0x9123683E: "btrfs", 0x01021994: "tmpfs", 0x794c7630: "overlayfs",
}

// describeMachine says on what was measured, for the head of a report. What
// cannot be found out is left out.
func describeMachine(dir string) string {
	parts := []string{fmt.Sprintf("%d × %s", runtime.NumCPU(), fieldOf("/proc/cpuinfo", "model name"))}
	if kb, err := strconv.ParseInt(strings.TrimSuffix(fieldOf("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		parts = append(parts, fmt.Sprintf("%.0f GiB of memory", float64(kb)/float64(gib/kib)))
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		parts = append(parts, runtime.GOOS+" "+strings.TrimSpace(string(release)))
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err == nil {
		name := fileSystems[int64(fs.Type)]
		if name == "" {
			name = fmt.Sprintf("file system %#x", fs.Type)
		}
		parts = append(parts, name)
	}
	return strings.Join(append(parts, runtime.Version(), time.Now().Format(time.DateOnly)), ", ")
}

// fieldOf reads the first "name : value" line of a file in /proc.
func fieldOf(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// versionNumber is the first thing in a text that looks like a version.
var versionNumber = regexp.MustCompile(`v?\d+\.\d+(\.\d+)?[-.\w]*`)

// versions says of which versions the programs are.
func (p programs) versions(ctx context.Context) string {
	var list []string
	for name, path := range p {
		list = append(list, strings.TrimSpace(name+" "+versionOf(ctx, name, path)))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// versionOf asks a program for its version, or the Go tool what it was built
// from; "" when neither knows.
func versionOf(ctx context.Context, name, path string) string {
	if info, err := buildinfo.ReadFile(path); err == nil && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	args := []string{"--version"}
	if name == "nginx" {
		args = []string{"-v"}
	}
	output, _ := exec.CommandContext(ctx, path, args...).CombinedOutput() // some exit with an error
	return versionNumber.FindString(string(output))
}
