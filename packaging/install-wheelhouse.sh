#!/bin/sh
# Installs attunet from this folder alone, without a network. Usage: ./install.sh [FOLDER], default ~/attunet.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-$HOME/attunet}
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

wanted=$(find "$here/wheels" -name 'numpy-*.whl' | sed 's/.*-cp3\([0-9]*\)-.*/3.\1/')
for name in "python$wanted" python3; do
  if command -v "$name" >/dev/null && [ "$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "$wanted" ]; then
    python=$name
    break
  fi
done
[ -n "${python:-}" ] || fail "Python $wanted is needed and was not found; these wheels are made for it."
(cd "$here/wheels" && sha256sum -c --quiet ../attunet_gui.sha256) || fail "the wheel of attunet is not the one that was packed."
"$python" -m venv "$target" || fail "Python has no venv; on Debian: apt-get install python3-venv"
"$target/bin/python" -m pip install -q --no-index --find-links "$here/wheels" --require-hashes -r "$here/requirements.lock"
"$target/bin/python" -m pip install -q --no-index --no-deps "$here"/wheels/attunet_gui-*.whl
"$target/bin/attunet" doctor
printf 'installed: %s/bin/attunet\n' "$target"
