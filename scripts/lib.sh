# shellcheck shell=bash
# Shared by the scripts beside it: source it after `set -euo pipefail`.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
LKG_CACHE="${LKG_CACHE:-$ROOT/.cache}"
[[ $LKG_CACHE == /* ]] || LKG_CACHE="$PWD/$LKG_CACHE"
export LKG_CACHE
# What is checked and measured is checked and measured with the defaults, not with somebody's own configuration file.
export LKG_CONFIG=
# shellcheck disable=SC2034  # used by the scripts that source this file
TARGET_DIR="${CARGO_TARGET_DIR:-$ROOT/target}"
# rustup's folder is often missing from the PATH of cron jobs and CI runners.
if ! command -v cargo >/dev/null && [[ -x ${HOME:-}/.cargo/bin/cargo ]]; then
  PATH="$HOME/.cargo/bin:$PATH"
fi

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { printf '%s: error: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# print_help: the comment that the calling script begins with.
print_help() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; }

STEPS_FAILED=()
TESTS_PASSED=0
TESTS_FAILED=0

# step NAME COMMAND...: runs one step of a test run, tells its time, and goes on after a failure.
step() {
  local name="$1" began=$SECONDS rc=0
  shift
  say "=== $name"
  "$@" || rc=$?
  if ((rc == 0)); then
    say "=== $name: ok, $((SECONDS - began)) s"
  else
    say "=== $name: FAILED (exit $rc), $((SECONDS - began)) s"
    STEPS_FAILED+=("$name")
  fi
}

# cargo_tests ARGS...: `cargo test ARGS`, adding its results to the totals.
cargo_tests() {
  local log rc=0 passed failed
  log="$(mktemp)"
  cargo test "$@" 2>&1 | tee "$log" || rc=$?
  read -r passed failed < <(awk '/^test result:/ { p += $4; f += $6 } END { print p + 0, f + 0 }' "$log")
  rm -f "$log"
  TESTS_PASSED=$((TESTS_PASSED + passed))
  TESTS_FAILED=$((TESTS_FAILED + failed))
  # A test program that does not build or that crashes has no result line, yet is a failure.
  if ((rc != 0 && failed == 0)); then TESTS_FAILED=$((TESTS_FAILED + 1)); fi
  return "$rc"
}

# summary: the last line of a test run; fails when any step failed.
# A failed step other than the tests counts as one failure, so that a red run never reads "0 failed".
summary() {
  local name
  for name in "${STEPS_FAILED[@]}"; do
    say "failed step: $name"
    [[ $name == tests* ]] || TESTS_FAILED=$((TESTS_FAILED + 1))
  done
  printf '%d passed, %d failed\n' "$TESTS_PASSED" "$TESTS_FAILED"
  ((${#STEPS_FAILED[@]} == 0))
}

# test_environment: what the tests read.
test_environment() {
  export LIBTORCH="${LIBTORCH:-$LKG_CACHE/libtorch}"
  export LKG_PYTHON="$LKG_CACHE/venv/bin/python"
}

# debian_mirror: the archive of Debian that this machine's own apt is set to; LKG_DEBIAN_MIRROR names another.
debian_mirror() {
  local mirror="${LKG_DEBIAN_MIRROR:-}" targets=(apt-get indextargets --format "\$(REPO_URI)" "Created-By: Packages")
  # Without package lists, as in a fresh container, apt knows addresses alone.
  [[ -n $mirror ]] || mirror="$("${targets[@]}" "Label: Debian" 2>/dev/null | sed -n '1p')"
  [[ -n $mirror ]] || mirror="$("${targets[@]}" 2>/dev/null | grep '/debian/*$' | sed -n '1p')"
  [[ -n $mirror ]] || die "apt has no archive of Debian here: name one in LKG_DEBIAN_MIRROR"
  echo "${mirror%/}"
}

# python_environment NAME LIST: leaves in VENV_PYTHON the interpreter of $LKG_CACHE/NAME, a virtual environment with what the
# file LIST of this folder pins; made where it is missing, or was made from another list.
python_environment() {
  local venv="$LKG_CACHE/$1" list="$ROOT/scripts/$2" python="${PYTHON:-python3}" stamp try
  stamp="$(sha256sum <"$list") $("$python" --version)"
  # shellcheck disable=SC2034  # used by the scripts that source this file
  VENV_PYTHON="$venv/bin/python"
  if [[ -f $venv/.stamp && $(<"$venv/.stamp") == "$stamp" ]]; then return; fi
  say "fetching what scripts/$2 names, from PyPI"
  rm -rf "$venv"
  "$python" -m venv "$venv"
  for try in 1 2 3; do
    if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: --require-hashes -r "$list"; then
      echo "$stamp" >"$venv/.stamp"
      return
    fi
    warn "try $try of 3: the packages in $list were not all installed"
  done
  die "could not make $venv: check the network, then run this again"
}

can_install() { ((EUID == 0)) && command -v apt-get >/dev/null; }

apt_install() {
  local log="$LKG_CACHE/apt.log" get=(apt-get -o DPkg::Lock::Timeout=300)
  export DEBIAN_FRONTEND=noninteractive
  say "installing Debian packages: $*"
  # Package lists may be absent (fresh containers) or out of date: refresh them once, and only when the install fails.
  "${get[@]}" install -y --no-install-recommends "$@" >"$log" 2>&1 && return
  "${get[@]}" update >>"$log" 2>&1 || warn "apt-get update failed, see $log"
  "${get[@]}" install -y --no-install-recommends "$@" >>"$log" 2>&1 || { warn "apt-get failed, see $log"; return 1; }
}
