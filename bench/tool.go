package main

import (
	"os"
	"os/exec"
	"path/filepath"
)

// job is one thing to do, with the places a run may use.
type job struct {
	// url is what to fetch: base, which ends in a slash, and name.
	url, base, name string
	// out is an empty folder for results, dest the result's path in it.
	out, dest string
	// state is an empty folder for whatever else the tool keeps; it is its home.
	state string
	// cert is the PEM file of the origin's authority.
	cert string
	// lists are input files of the batch row by tool.
	lists map[string]string
	// source is what was fetched, as it lies on the disk: what the row put sends.
	source string
	// target and key say where in S3 the result goes.
	target *s3Target
	key    string
}

// tool is one way of doing a job.
type tool struct {
	name string
	// needs are the programs it is made of.
	needs []string
	// command builds what is run from the paths of programs and the job.
	command func(p programs, j job) []string
}

// programs are paths by name.
type programs map[string]string

// find looks for programs on PATH and where go install puts them; what is
// missing is left out.
func find(names ...string) programs {
	found := make(programs)
	home, _ := os.UserHomeDir()
	for _, name := range names {
		for _, candidate := range []string{name, filepath.Join(home, "go", "bin", name), filepath.Join("/usr/sbin", name)} {
			if path, err := exec.LookPath(candidate); err == nil {
				found[name] = path
				break
			}
		}
	}
	return found
}

// lacks returns the first program that is missing, or "".
func (p programs) lacks(names []string) string {
	for _, name := range names {
		if p[name] == "" {
			return name
		}
	}
	return ""
}

// shell runs a script whose $1, $2… are args: nothing needs quoting.
func shell(script string, args ...string) []string {
	return append([]string{"sh", "-c", script, "sh"}, args...)
}

// environment gives a tool a home without configuration, the authority of the
// TLS origin where it reads it from the environment, and the S3 server.
func environment(j job) []string {
	env := []string{
		"HOME=" + j.state, "XDG_CONFIG_HOME=" + j.state, "XDG_DATA_HOME=" + j.state, "XDG_STATE_HOME=" + j.state,
		"RCLONE_CONFIG=" + filepath.Join(j.state, "rclone.conf"),
		"SSL_CERT_FILE=" + j.cert, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1",
	}
	if j.target != nil {
		env = append(env, "AWS_ENDPOINT_URL="+j.target.endpoint, "AWS_REGION=us-east-1",
			"AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey)
	}
	return env
}
