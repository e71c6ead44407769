#!/usr/bin/env bash
# Packs the static binary as a Debian package: the binary, the unit, a sample
# configuration and completions for shells. It takes Go and dpkg-deb.
#
#   deploy/deb.sh [FOLDER]     godwit_VERSION_ARCH.deb in FOLDER (default: here)
#
# VERSION and GOARCH may be given in the environment.
set -Eeuo pipefail
target=$(realpath "${1:-.}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=${VERSION:-0.0.0~git$(git log -1 --format=%cd.%h --date=format:%Y%m%d)}
GOARCH=${GOARCH:-$(go env GOARCH)}
export GOARCH CGO_ENABLED=0 GOOS=linux

# arch is Debian's word for an architecture of Go.
arch() {
	case $1 in
	386) echo i386 ;;
	arm) echo armhf ;;
	ppc64le) echo ppc64el ;;
	*) echo "$1" ;;
	esac
}

install -d "$target"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
umask 022
chmod 755 "$root"

install -d "$root"/{DEBIAN,usr/bin,lib/systemd/system,etc/godwit,usr/share/doc/godwit} \
	"$root"/usr/share/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
install -d -m 700 "$root/etc/godwit/keys"
go build -trimpath -ldflags '-s -w' -o "$root/usr/bin/godwit" ./cmd/godwit
install -m 644 deploy/systemd/godwit.service "$root/lib/systemd/system/godwit.service"
install -m 644 deploy/systemd/godwit.yaml "$root/etc/godwit/godwit.yaml"
gzip -9n <docs/operations.md >"$root/usr/share/doc/godwit/operations.md.gz"
gzip -9n <CHANGELOG.md >"$root/usr/share/doc/godwit/CHANGELOG.md.gz"
{
	printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n'
	printf 'Files: *\nCopyright: the authors of godwit\nLicense: Apache-2.0\n'
	printf ' On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n'
} >"$root/usr/share/doc/godwit/copyright"

# A binary of another architecture does not run here.
own=$root/usr/bin/godwit
if [[ $GOARCH != "$(go env GOHOSTARCH)" || $(go env GOHOSTOS) != linux ]]; then
	own=$root/DEBIAN/own
	GOARCH=$(go env GOHOSTARCH) GOOS=$(go env GOHOSTOS) go build -o "$own" ./cmd/godwit
fi
"$own" completion-script bash >"$root/usr/share/bash-completion/completions/godwit"
"$own" completion-script zsh >"$root/usr/share/zsh/vendor-completions/_godwit"
"$own" completion-script fish >"$root/usr/share/fish/vendor_completions.d/godwit.fish"
rm -f "$root/DEBIAN/own"

echo /etc/godwit/godwit.yaml >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<CONTROL
Package: godwit
Version: $version
Architecture: $(arch "$GOARCH")
Maintainer: the authors of godwit <godwit@localhost>
Installed-Size: $(du -ks --exclude=DEBIAN "$root" | cut -f 1)
Recommends: ca-certificates
Section: net
Priority: optional
Description: moves big files in the background, in a cluster
 Downloads and uploads over HTTP that go on after a crash from the last part that
 was stored. Nodes that share a state store are one service: when one dies, the
 others go on with its transfers.
CONTROL

# A new version is started where an old one ran. Whoever installs it for the first
# time configures it first, and then says systemctl enable --now godwit.
cat >"$root/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	[ -z "$2" ] || systemctl try-restart godwit.service
fi
POSTINST
cat >"$root/DEBIAN/prerm" <<'PRERM'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl disable --now godwit.service
fi
PRERM
cat >"$root/DEBIAN/postrm" <<'POSTRM'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
POSTRM
chmod 755 "$root"/DEBIAN/{postinst,prerm,postrm}

package=$target/godwit_${version}_$(arch "$GOARCH").deb
dpkg-deb --root-owner-group -Zgzip --build "$root" "$package" >/dev/null
printf '%s\n' "$package"
