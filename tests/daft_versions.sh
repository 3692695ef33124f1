#!/usr/bin/env bash
# The tests of the Daft engine with other versions of Daft, each in an environment of its own under
# build/daft-versions: that version alone, on top of everything that .venv has.
# usage: tests/daft_versions.sh [VERSION...]; without VERSION, those of daft_versions.txt
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
python=$root/.venv/bin/python
mapfile -t versions < <(grep -v '^#' "$root/tests/daft_versions.txt")
(($#)) && versions=("$@")

# The folder of packages of the environment that a Python is of.
packages() { "$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

prepare() {
  local version=$1 folder=$2
  [[ -e $folder/ready ]] && return
  rm -rf "$folder"
  "$python" -m venv --without-pip "$folder"
  "$python" -m pip --python "$folder/bin/python" install --quiet --disable-pip-version-check \
    --no-input --no-deps "daft==$version" </dev/null
  printf '%s\n' "$root/python" "$(packages "$python")" >"$(packages "$folder/bin/python")/rest.pth"
  touch "$folder/ready"
}

failed=0
cd "$root"
for version in "${versions[@]}"; do
  folder=$root/build/daft-versions/$version
  prepare "$version" "$folder"
  echo "Daft $("$folder/bin/python" -c 'import daft; print(daft.__version__)')"
  "$folder/bin/python" -m pytest -q tests/python/daft tests/python/contract/test_dataframe.py ||
    failed=1
done
exit $failed
