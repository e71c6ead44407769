package command

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"godwit/transfer"
)

// DefaultTimeout is how long a command may run unless configured, maxTimeout
// how long it may be allowed to.
const (
	DefaultTimeout = time.Hour
	maxTimeout     = 24 * time.Hour
)

// Config is one command.
type Config struct {
	// Argv is the absolute path of a program and its arguments.
	Argv []string `yaml:"argv"`
	// Timeout is how long it may run, DefaultTimeout when 0.
	Timeout time.Duration `yaml:"timeout"`
	// Env is added to an environment that is otherwise empty but for PATH and
	// what says which task it is.
	Env map[string]string `yaml:"env"`
}

// ConfigError says what is wrong with a command's configuration.
type ConfigError struct {
	// Name is the command's, Key that of its setting, "" for the command itself.
	Name, Key string
	Message   string
	Err       error
}

func (e *ConfigError) Error() string {
	s := "command " + e.Name
	if e.Key != "" {
		s += ": " + e.Key
	}
	s += ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// Runner runs commands. It is safe for concurrent use.
type Runner struct {
	commands map[string]prepared
	// grace is how long a command that was told to end may take to do so.
	grace time.Duration
}

// prepared is a command that was checked.
type prepared struct {
	argv    []string
	timeout time.Duration
	env     []string
	// path has no symbolic links; pin is what was there.
	path string
	pin  os.FileInfo
}

// New checks commands and the files they name. It fails with a *ConfigError.
func New(configs map[string]Config) (*Runner, error) {
	r := &Runner{commands: make(map[string]prepared, len(configs)), grace: killAfter}
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		p, err := prepare(configs[name])
		if err == nil && transfer.CheckID(name) != nil {
			err = &ConfigError{Message: "a name is at most 128 letters, digits, dots, hyphens and underscores, the first a letter or a digit"}
		}
		if err == nil && !supported {
			err = &ConfigError{Message: "commands run on Linux only"}
		}
		if err != nil {
			err.Name = name
			return nil, err
		}
		r.commands[name] = p
	}
	return r, nil
}

// Has tells whether there is a command of this name.
func (r *Runner) Has(name string) bool {
	_, known := r.commands[name]
	return known
}

// Names are those of all commands, sorted.
func (r *Runner) Names() []string { return slices.Sorted(maps.Keys(r.commands)) }

func prepare(c Config) (prepared, *ConfigError) {
	p := prepared{argv: slices.Clone(c.Argv), timeout: c.Timeout}
	if p.timeout == 0 {
		p.timeout = DefaultTimeout
	}
	if p.timeout < 0 || p.timeout > maxTimeout {
		return prepared{}, &ConfigError{Key: "timeout", Message: "use at most " + maxTimeout.String()}
	}
	if err := checkArgv(c.Argv); err != nil {
		return prepared{}, err
	}
	if err := checkEnv(c.Env); err != nil {
		return prepared{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		p.env = append(p.env, name+"="+c.Env[name])
	}
	path, err := filepath.EvalSymlinks(c.Argv[0])
	if err != nil {
		return prepared{}, &ConfigError{Key: "argv", Message: "the program cannot be found", Err: err}
	}
	p.path = path
	var e *ConfigError
	p.pin, e = look(path)
	return p, e
}

func checkArgv(argv []string) *ConfigError {
	if len(argv) == 0 || !filepath.IsAbs(argv[0]) {
		return &ConfigError{Key: "argv", Message: "begin with the absolute path of a program"}
	}
	if slices.ContainsFunc(argv, func(arg string) bool { return strings.ContainsRune(arg, 0) }) {
		return &ConfigError{Key: "argv", Message: "an argument holds a NUL"}
	}
	return nil
}

// look returns what is at a path, if it may be run. A program that everybody may
// write is everybody's program.
func look(path string) (os.FileInfo, *ConfigError) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, &ConfigError{Key: "argv", Message: "the program cannot be looked at", Err: err}
	case !info.Mode().IsRegular():
		return nil, &ConfigError{Key: "argv", Message: "the program is no regular file"}
	case info.Mode()&0o111 == 0:
		return nil, &ConfigError{Key: "argv", Message: "the program is not executable"}
	case info.Mode()&0o002 != 0:
		return nil, &ConfigError{Key: "argv", Message: "others may write the program; use chmod o-w"}
	}
	return info, nil
}

// unchanged tells whether the program is still the file that was checked.
func (p prepared) unchanged() bool {
	info, err := look(p.path)
	return err == nil && os.SameFile(info, p.pin) && info.Size() == p.pin.Size() &&
		info.ModTime().Equal(p.pin.ModTime()) && info.Mode() == p.pin.Mode()
}

// checkEnv refuses names that decide what code runs, and those that are ours.
func checkEnv(env map[string]string) *ConfigError {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		switch {
		case !variable(name):
			return &ConfigError{Key: "env", Message: "a name is letters, digits and underscores, the first no digit"}
		case name == "PATH" || name == "IFS" || name == "ENV" || name == "BASH_ENV" ||
			strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "DYLD_") || strings.HasPrefix(name, "GODWIT_"):
			return &ConfigError{Key: "env", Message: name + " may not be set"}
		case strings.ContainsRune(env[name], 0):
			return &ConfigError{Key: "env", Message: "the value of " + name + " holds a NUL"}
		}
	}
	return nil
}

func variable(name string) bool {
	if name == "" || '0' <= name[0] && name[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	})
}
