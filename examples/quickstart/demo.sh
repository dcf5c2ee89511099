#!/bin/sh
# The main job, shown on the two clusters of the lab: run by make demo.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../../bin" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$here"/. "$work"
cd "$work"

export ESMIG_VAR_source_endpoint="$ESLAB_SOURCE_URL" ESMIG_VAR_source_api_key="$ESLAB_SOURCE_READ_API_KEY" ESMIG_VAR_source_ca_file="$ESLAB_SOURCE_CA_FILE"
export ESMIG_VAR_target_endpoint="$ESLAB_TARGET_URL" ESMIG_VAR_target_api_key="$ESLAB_TARGET_API_KEY" ESMIG_VAR_target_ca_file="$ESLAB_TARGET_CA_FILE"

"$bin/eslab" load source

say() { printf '\n$ %s\n' "$*"; }
say esmig plan
"$bin/esmig" plan
say esmig apply -auto-approve
"$bin/esmig" apply -auto-approve
say esmig plan
"$bin/esmig" plan
