#!/usr/bin/env bash
# `./run bench [NAME...]` calls this with the release build done: measures all of the names below,
# or only what is named, each beside its peers. See README.md.
set -euo pipefail

bench=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(dirname "$bench")
build=${HYPERNODES_BUILD_DIR:-$root/build/release}
python=$root/.venv/bin/python
peers=$bench/.peers
names=(overhead daft cache keys stream)
declare -A scripts=([overhead]=overhead.py [daft]=daft_bench.py [cache]=cache.py [keys]=keys.py
  [stream]=stream.py)

say() { echo "bench: $*" >&2; }
die() { say "$*"; exit 1; }

# quietly LOG COMMAND...: the output goes to LOG, and to the screen only if the command fails.
quietly() {
  local log=$1
  shift
  "$@" </dev/null >"$log" 2>&1 || { cat "$log" >&2; die "failed: $*"; }
}

# The peers' own environment: one of them is called hypernodes, too. Made again when the
# requirements or the interpreter change.
make_peers() {
  local wanted
  wanted=$("$python" --version && cat "$bench/requirements-peers.txt")
  [[ -e $peers/ready && $(<"$peers/ready") == "$wanted" ]] && return
  say "installing the peers into bench/.peers"
  rm -rf "$peers"
  "$python" -m venv "$peers"
  quietly "$peers/pip.log" "$peers/bin/python" -m pip install --quiet --no-input \
    --disable-pip-version-check --requirement "$bench/requirements-peers.txt"
  echo "$wanted" >"$peers/ready"
}

build_programs() {
  [[ -e $build/build.ninja ]] || die "no build in $build: start with ./run bench"
  quietly "$build/bench.log" ninja -C "$build" hypernodes_bench
}

(($#)) || set -- "${names[@]}"
for name; do [[ ${scripts[$name]:-} ]] || die "no benchmark '$name'; there are: ${names[*]}"; done
make_peers
build_programs
export HYPERNODES_BENCH_BUILD=$build/bench
for name; do "$python" "$bench/${scripts[$name]}"; done
