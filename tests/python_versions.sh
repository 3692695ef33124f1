#!/usr/bin/env bash
# The tests of keys, code and cache on other versions of Python, each in an environment of its own
# under build/python-versions, with the package built and installed as by a user's pip.
# usage: tests/python_versions.sh [VERSION...]; without VERSION, the supported ones but .venv's
# Fails if a VERSION is not on this machine; without VERSION, if none is, and says which are not.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
own=$("$root/.venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
wanted=("$@")
for version in 3.11 3.12 3.13; do
  (($#)) || [[ $version == "$own" ]] || wanted+=("$version")
done
# At the versions of requirements-dev.txt. The rest of that are tools, and packages that no test
# below needs.
packages=(attrs cloudpickle daft dask nanobind numpy pandas polars pyarrow pydantic pytest
          pytest-timeout scikit-build-core)
tests=(tests/python_versions tests/python/keys tests/python/robust tests/python/contract
       tests/python/test_{async,bounded_cache,cache,cache_blocks,cache_failures,dependencies}.py
       tests/python/test_{differential,explain,fingerprint,keys,library,mutation,nested,node}.py
       tests/python/test_{outcomes,pickle_key,pickled_results,single_flight,stateful,types}.py)

# The interpreter of a version such as 3.12: that of PATH, or pyenv's newest.
find_python() {
  local candidate
  for candidate in "python$1" $(ls -vrd "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1."*/bin/python \
    2>/dev/null); do
    # pyenv's shims on PATH fail for versions that are not switched on.
    "$candidate" -c 'import sys; print(sys.executable)' 2>/dev/null && return
  done
  return 1
}

prepare() {
  local base=$1 folder=$2 stamp
  stamp=$("$base" -VV; printf '%s\n' "${packages[@]}"; cat "$root/requirements-dev.txt")
  if [[ ! -e $folder/ready || $(<"$folder/ready") != "$stamp" ]]; then
    rm -rf "$folder"
    "$base" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
      --constraint "$root/requirements-dev.txt" "${packages[@]}" </dev/null
    echo "$stamp" >"$folder/ready"
  fi
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
    --no-build-isolation --force-reinstall "$root" </dev/null
}

tested=0 failed=0
cd "$root"
for version in "${wanted[@]}"; do
  if ! base=$(find_python "$version"); then
    echo "Python $version: not on PATH, nor among pyenv's" >&2
    ((!$#)) || failed=1
    continue
  fi
  tested=1
  folder=$root/build/python-versions/$version
  prepare "$base" "$folder"
  "$folder/bin/python" -VV
  # A program that does nothing but use Daft crashes now and then as it ends, on Python 3.12.1.
  "$folder/bin/python" -m pytest -q "${tests[@]}" \
    --deselect tests/python/contract/test_daft.py::test_generated_code_runs || failed=1
done
((tested)) || failed=1
exit $failed
