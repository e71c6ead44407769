package deploy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// settings are the instructions of the last stage that say how the image runs.
func settings(t *testing.T, path string) []string {
	t.Helper()
	text := strings.ReplaceAll(string(read(t, path)), "\\\n", " ")
	var found []string
	for line := range strings.Lines(text) {
		switch word, _, _ := strings.Cut(line, " "); word {
		case "FROM":
			found = nil
		case "LABEL", "ENV", "USER", "WORKDIR", "VOLUME", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD":
			found = append(found, strings.Join(strings.Fields(line), " "))
		}
	}
	return found
}

// Who has a registry and who has none gets the same image.
func TestDockerfilesAgree(t *testing.T) {
	built, packed := settings(t, "Dockerfile"), settings(t, "local.Dockerfile")
	if !slices.Equal(built, packed) || len(built) < 8 {
		t.Errorf("Dockerfile says       %q\nlocal.Dockerfile says %q", built, packed)
	}
}

// Both are built by the same Go command, and the builder is no older than the
// module asks for.
func TestDockerfileBuildsAsTheScriptDoes(t *testing.T) {
	dockerfile, script := string(read(t, "Dockerfile")), string(read(t, "image.sh"))
	for _, part := range []string{"CGO_ENABLED=0", "-trimpath", "-ldflags '-s -w'", "./cmd/godwit", "etc/passwd", "ca-certificates.crt"} {
		if !strings.Contains(dockerfile, part) || !strings.Contains(script, part) {
			t.Errorf("one of Dockerfile and image.sh lacks %s", part)
		}
	}
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(read(t, "../go.mod")))
	if !strings.Contains(dockerfile, "ARG GO_VERSION="+wanted[1]+"\n") {
		t.Errorf("the builder is not golang:%s", wanted[1])
	}
}
