#!/usr/bin/env bash
# Runs nodes of one service on this machine, without Docker: for trials. It takes
# the program (GODWIT=path, or ./godwit of this repository, or one on the PATH, or Go
# to build it).
#
#   deploy/local.sh up [--tls] [--nodes N]   start what is not running, and say how to call it
#   deploy/local.sh status                   who is there
#   deploy/local.sh kill NODE                kill -9, to see the others go on
#   deploy/local.sh stop [NODE]              stop in good order
#   deploy/local.sh clean                    stop, and remove everything
#
# Everything lies in godwit-local in the current folder (GODWIT_LOCAL=folder).
# PORT=7500 is the first of the ports: APIs on 7501…, messages on 7521…, gossip on 7541….
set -Eeuo pipefail

home=${GODWIT_LOCAL:-$PWD/godwit-local}
given=${GODWIT:-}
port=${PORT:-7500}
# What is set for clients would be flags of the nodes too.
unset "${!GODWIT_@}"

die() {
	printf '%s\n' "$*" >&2
	exit 1
}

usage() {
	sed -n '2,14s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

# program finds godwit, or builds it.
program() {
	local ours
	ours=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/godwit
	if [[ -n $given ]]; then
		godwit=$(realpath "$given")
	elif [[ -x $ours ]]; then
		godwit=$ours
	elif command -v godwit >/dev/null; then
		godwit=$(command -v godwit)
	else
		command -v go >/dev/null || die 'there is neither godwit nor Go: give the program with GODWIT=path'
		echo 'building godwit …' >&2
		(cd "$(dirname "${BASH_SOURCE[0]}")/.." && CGO_ENABLED=0 go build -o "$home/godwit" ./cmd/godwit)
		godwit=$home/godwit
	fi
}

# settings are of the first start: whether with TLS, and how many nodes.
settings() {
	[[ -r $home/settings ]] || die "nothing was started in $home"
	# shellcheck source=/dev/null
	. "$home/settings"
}

# pid prints the process of a node, if it runs. Its number may be another
# program's by now.
pid() {
	local number
	number=$(cat "$home/$1/pid" 2>/dev/null) || return 1
	[[ $(ps -p "$number" -o args= 2>/dev/null) == *"--data-dir $home/$1 "* ]] || return 1
	printf '%s\n' "$number"
}

# start starts one node.
start() {
	local i=$1 name=n$1 keys=$home/certs seeds=() options=() other
	for other in $(seq "$nodes"); do
		((other == i)) || seeds+=(--join "127.0.0.1:$((port + 40 + other))")
	done
	if ((tls)); then
		keys=$home/certs/$name
		options=(--tls-ca "$keys/ca.pem" --tls-cert "$keys/node.pem" --tls-key "$keys/node.key"
			--gossip-key-file "$keys/gossip.key" --api-token-file "$keys/token")
	fi
	mkdir -p "$home/$name"
	nohup "$godwit" serve --name "$name" --data-dir "$home/$name" \
		--state-store "dir://$home/state" --file-root "$home/files" --egress-allow 127.0.0.0/8 \
		--secrets-key-file "$keys/secrets.key" --advertise 127.0.0.1 "${seeds[@]}" "${options[@]}" \
		--api-addr "127.0.0.1:$((port + i))" --remote-addr "127.0.0.1:$((port + 20 + i))" \
		--gossip-addr "127.0.0.1:$((port + 40 + i))" </dev/null >"$home/$name/out" 2>>"$home/$name/log" &
	echo $! >"$home/$name/pid"
}

# environment is what commands of a client need.
environment() {
	local scheme=http i servers=()
	((tls)) && scheme=https
	for i in $(seq "$nodes"); do
		servers+=("$scheme://127.0.0.1:$((port + i))")
	done
	printf 'export GODWIT_SERVER=%s\n' "$(IFS=,; echo "${servers[*]}")"
	((tls)) || return 0
	printf 'export GODWIT_TLS_CA=%q GODWIT_TLS_CERT=%q GODWIT_TLS_KEY=%q GODWIT_API_TOKEN_FILE=%q\n' \
		"$home/certs/me/ca.pem" "$home/certs/me/client.pem" "$home/certs/me/client.key" "$home/certs/me/token"
}

# call is a command of a client.
call() (
	# shellcheck source=/dev/null
	. "$home/env"
	"$godwit" "$@"
)

# await returns when all nodes that run see each other.
await() {
	local i deadline=$((SECONDS + 60))
	while ((SECONDS < deadline)); do
		for i in $(seq "$nodes"); do
			pid "n$i" >/dev/null || {
				tail -n 3 "$home/n$i/log" >&2
				die "n$i has ended; all it said is in $home/n$i/log"
			}
		done
		[[ $(call node ls 2>/dev/null | grep -cw ALIVE) == "$nodes" ]] && return
		sleep 0.2
	done
	die "the nodes do not find each other; what they say is in $home/n*/log"
}

up() {
	local tls=0 nodes=3 i
	while (($# > 0)); do
		case $1 in
		--tls) tls=1 ;;
		--nodes)
			[[ ${2:-} =~ ^([1-9]|1[0-9])$ ]] || die '--nodes: a number from 1 to 19'
			nodes=$2
			shift
			;;
		*) usage ;;
		esac
		shift
	done
	mkdir -p "$home"
	home=$(cd "$home" && pwd)
	if [[ -r $home/settings ]]; then
		settings
	else
		program
		mkdir -p "$home/state" "$home/files"
		"$godwit" certs init "$home/certs" >/dev/null
		if ((tls)); then
			for i in $(seq "$nodes"); do
				"$godwit" certs node "$home/certs" "n$i=127.0.0.1" >/dev/null
			done
			"$godwit" certs client "$home/certs" me >/dev/null
		fi
		printf 'tls=%d nodes=%d port=%d godwit=%q\n' "$tls" "$nodes" "$port" "$godwit" >"$home/settings"
		environment >"$home/env"
	fi
	for i in $(seq "$nodes"); do
		pid "n$i" >/dev/null || start "$i"
	done
	await
	call node ls
	cat <<TEXT

files: file://$home/files/…    state: $home/state    logs: $home/n*/log
Call them with:

  . $home/env
  $godwit node ls
TEXT
}

status() {
	settings
	local i number
	for i in $(seq "$nodes"); do
		if number=$(pid "n$i"); then
			printf 'n%d runs, process %s\n' "$i" "$number"
		else
			printf 'n%d does not run\n' "$i"
		fi
	done
	call node ls
}

# halt ends nodes with a signal and waits until they are gone.
halt() {
	local signal=$1 node number
	shift
	local -A running=()
	for node in "$@"; do
		number=$(pid "$node") || continue
		running[$node]=$number
		kill "-$signal" "$number" || true
	done
	for node in "${!running[@]}"; do
		while pid "$node" >/dev/null; do
			sleep 0.1
		done
		printf '%s has ended\n' "$node"
	done
}

main() {
	local command=${1:-} all=() i
	(($# == 0)) || shift
	case $command in
	up)
		up "$@"
		return
		;;
	status | kill | stop | clean) ;;
	*) usage ;;
	esac
	settings
	for i in $(seq "$nodes"); do
		all+=("n$i")
	done
	case $command in
	status) status ;;
	kill)
		[[ " ${all[*]} " == *" ${1:-none} "* ]] || die "name one of ${all[*]}"
		halt KILL "$1"
		;;
	stop)
		[[ $# == 0 || " ${all[*]} " == *" $1 "* ]] || die "name one of ${all[*]}"
		if (($# > 0)); then halt TERM "$1"; else halt TERM "${all[@]}"; fi
		;;
	clean)
		halt TERM "${all[@]}"
		rm -rf "$home"
		;;
	esac
}

main "$@"
