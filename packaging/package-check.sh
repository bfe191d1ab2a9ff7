#!/usr/bin/env bash
# Starts a packaged attunet as on the laptop it is made for: no Python, no network, an empty home.
# Usage: packaging/package-check.sh ARCHIVE-OR-FOLDER [RESULTS], default out/package-check.
# ATTUNET_REAL_CT names a real CT to draft as well.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
package=$(realpath "${1:?the archive, or the folder it unpacks to}")
out=$(realpath -m "${2:-$root/out/package-check}")

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
fail() { printf 'package-check: %s\n' "$*" >&2; exit 1; }

unpacked() {
  if [ -d "$package" ]; then
    echo "$package"
  else
    mkdir -p "$work/unpacked"
    tar -C "$work/unpacked" -xf "$package"
    echo "$work/unpacked"/*
  fi
}

# Programs of this machine but Python's, so that nothing can lean on one.
programs_without_python() {
  mkdir -p "$work/bin"
  find /usr/bin /bin -maxdepth 1 \( -type f -o -type l \) ! -name 'py*' ! -name 'pip*' ! -name 'uv*' \
    -exec ln -sf -t "$work/bin" {} +
}

# A network namespace has no interface but a loopback that is down, and mounts of its own.
isolation() {
  if unshare -rnm true 2>/dev/null; then
    echo unshare -rnm
  else
    printf 'NOT CHECKED: this machine forbids user namespaces, so the network stays reachable.\n' >&2
  fi
}

mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say "unpacking"
folder=$(unpacked)
programs_without_python
mkdir -p "$work/home" "$work/steps"
cp "$here/package-steps.sh" "$here/tiny-recipe.toml" "$work/steps/"
hidden=$root:$("$root/.venv/bin/python" -c 'import sys; print(sys.base_prefix)' 2>/dev/null || true)
cp -r "$folder" "$work/attunet"
[ -z "${ATTUNET_REAL_CT:-}" ] || cp -r "$ATTUNET_REAL_CT" "$work/real-ct${ATTUNET_REAL_CT##*/}"
# shellcheck disable=SC2046  # words on purpose
env -i HOME="$work/home" PATH="$work/bin" LANG=C.UTF-8 TMPDIR="$work" HIDDEN="$hidden" RESULTS="$work/results" \
  PROGRAM="$work/attunet/attunet" REAL_CT="$(echo "$work"/real-ct*)" \
  $(isolation) "$work/bin/bash" "$work/steps/package-steps.sh" || fail "the package does not work; see above"
rm -rf "$out" && cp -r "$work/results" "$out"
say "it works; look at the pictures in $out"
