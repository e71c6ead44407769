#!/usr/bin/env bash
# Regenerates the Go code beside the .proto files. Needs protoc and the two
# plugins; versions are pinned so that the result does not depend on the machine.
set -euo pipefail
cd "$(dirname "$0")"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOBIN=$bin go install google.golang.org/protobuf/cmd/protoc-gen-go
GOBIN=$bin go install connectrpc.com/connect/cmd/protoc-gen-connect-go
PATH=$bin:$PATH protoc -I . \
  --go_out=. --go_opt=module=godwit/protos \
  --connect-go_out=. --connect-go_opt=module=godwit/protos \
  godwit/v1/*.proto godwit/record/v1/*.proto godwit/cluster/v1/*.proto
