#!/usr/bin/env bash
# Builds images from binaries that are made on this machine. Nothing is pulled, so
# it takes Go and a Docker engine, and no registry.
#
#   deploy/image.sh                 godwit:local
#   deploy/image.sh s3              godwit-s3:local, the S3 server of compose.yaml
#   GOARCH=arm64 deploy/image.sh    for another architecture than the engine's
#
# IMAGE is another name for the image, GODWIT_TAGS build tags of Go.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly versitygw_version=v1.8.0
# Nobody on the host is likely to have it; the images and the volumes of
# compose.yaml agree on it.
readonly uid=65532

# architecture is what the engine runs, in Go's words.
architecture() {
	case $(docker version --format '{{.Server.Arch}}') in
	amd64 | x86_64) echo amd64 ;;
	arm64 | aarch64) echo arm64 ;;
	*) docker version --format '{{.Server.Arch}}' ;;
	esac
}

# pack makes an image of a Dockerfile and the folder root of the context.
pack() {
	local dockerfile=$1 image=$2
	cp "$dockerfile" "$context/Dockerfile"
	docker build --quiet --platform "linux/$GOARCH" --tag "$image" \
		--label "org.opencontainers.image.revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
		"$context" >/dev/null
	printf '%s: linux/%s, %s bytes\n' "$image" "$GOARCH" "$(docker image inspect --format '{{.Size}}' "$image")"
}

# accounts is what a program finds who it is in.
accounts() {
	mkdir -p "$context/root/etc/ssl/certs"
	printf 'root:x:0:0:root:/:/sbin/nologin\ngodwit:x:%d:%d:godwit:/data:/sbin/nologin\n' "$uid" "$uid" >"$context/root/etc/passwd"
	printf 'root:x:0:\ngodwit:x:%d:\n' "$uid" >"$context/root/etc/group"
	local bundle
	for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
		[[ ! -r $bundle ]] || {
			cp "$bundle" "$context/root/etc/ssl/certs/ca-certificates.crt"
			return
		}
	done
	echo 'no authorities were found on this machine: the image trusts none' >&2
}

# folders are the places that are written to; a new volume gets their owner.
folders() {
	local name
	for name in "$@"; do
		mkdir -p "$context/$name"
	done
	mkdir -p "$context/root/tmp"
	chmod 1777 "$context/root/tmp"
}

godwit() {
	CGO_ENABLED=0 GOOS=linux go build -trimpath -tags "${GODWIT_TAGS:-}" -ldflags '-s -w' \
		-o "$context/root/usr/local/bin/godwit" ./cmd/godwit
	accounts
	folders data shared/state shared/files keys
	pack deploy/local.Dockerfile "${IMAGE:-godwit:local}"
}

# s3 takes the versitygw of this machine where that needs no C library.
s3() {
	mkdir -p "$context/root/usr/local/bin"
	local found
	found=$(command -v versitygw || true)
	if [[ -n $found ]] && go version -m "$found" | grep -F "$versitygw_version" >/dev/null &&
		go version -m "$found" | grep -F 'CGO_ENABLED=0' >/dev/null &&
		go version -m "$found" | grep -F "GOARCH=$GOARCH" >/dev/null; then
		cp "$found" "$context/root/usr/local/bin/versitygw"
	else
		local modules
		modules=$(go env GOMODCACHE)
		GOMODCACHE=$modules GOPATH=$context/go GOBIN='' CGO_ENABLED=0 GOOS=linux \
			go install -ldflags '-s -w' "github.com/versity/versitygw/cmd/versitygw@$versitygw_version"
		mv "$(find "$context/go/bin" -name versitygw)" "$context/root/usr/local/bin/"
		rm -rf "$context/go"
	fi
	accounts
	folders buckets/godwit-state buckets/godwit-results
	pack deploy/s3.Dockerfile "${IMAGE:-godwit-s3:local}"
}

export GOARCH=${GOARCH:-$(architecture)}
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
chmod 755 "$context"

case ${1:-godwit} in
godwit | s3) "${1:-godwit}" ;;
*)
	echo "there is no image of '$1'; there are: godwit s3" >&2
	exit 2
	;;
esac
