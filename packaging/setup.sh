#!/usr/bin/env bash
# Prepares this checkout: Debian system libraries, then the locked packages in .venv. Safe to repeat.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

missing_system_packages() {
  command -v dpkg-query >/dev/null || return 0
  grep -v '^#' packaging/debian-packages.txt | while read -r package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
  done
}

install_system_packages() {
  local missing
  missing=$(missing_system_packages)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    fail "system libraries are missing. Run this line, then the same command again:
  sudo apt-get update && sudo apt-get install -y --no-install-recommends $missing"
  fi
  say "1/3 Debian packages: $missing"
  apt-get update -q
  # shellcheck disable=SC2086  # a list of words on purpose
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
}

find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  fail "Python 3.11, 3.12 or 3.13 is needed and none was found; on Debian 12: apt-get install python3 python3-venv"
}

install_python_packages() {
  local wanted stamp=.venv/installed
  wanted=$(cat requirements.lock pyproject.toml packaging/uv.lock.txt | sha256sum | cut -d' ' -f1)-$PWD
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    say "packages are up to date"
    return
  fi
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    local python
    python=$(find_python) || exit 1
    "$python" -m venv --clear .venv
  fi
  say "2/3 locked packages (about 2.4 GB unpacked, usually under two minutes)"
  .venv/bin/python -m pip install -q --require-hashes -r packaging/uv.lock.txt
  .venv/bin/uv pip install --python .venv/bin/python --require-hashes -r requirements.lock
  say "3/3 attunet-gui itself"
  .venv/bin/uv pip install --python .venv/bin/python -q --no-deps --no-build-isolation -e .
  echo "$wanted" >"$stamp"
}

install_system_packages
install_python_packages
say "ready"
