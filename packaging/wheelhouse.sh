#!/usr/bin/env bash
# Collects every wheel the product needs, for a machine with Python and without a network.
# Usage: packaging/wheelhouse.sh [FOLDER], default out/wheelhouse. For the Python and system it is run with.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(realpath -m "${1:-$root/out/wheelhouse}")
python=$root/.venv/bin/python
say() { printf '\033[1m==> %s\033[0m\n' "$*"; }

rm -rf "$out" && mkdir -p "$out/wheels"
say "1/3 what is needed at run time, at the versions and with the hashes of requirements.lock"
(cd "$root" && .venv/bin/uv pip compile pyproject.toml --extra app --extra cpu --extra fast --extra train \
  --constraint requirements.lock --python-version "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" \
  --generate-hashes --no-header --no-annotate -q -o "$out/requirements.lock")
"$python" "$root/packaging/same_pins.py" "$out/requirements.lock" "$root/requirements.lock"
say "2/3 wheels"
"$python" -m pip download -q --only-binary :all: --require-hashes -r "$out/requirements.lock" -d "$out/wheels"
(cd "$root" && "$python" -m hatchling build -t wheel -d "$out/wheels" >/dev/null)
cp "$root/packaging/install-wheelhouse.sh" "$out/install.sh"
(cd "$out/wheels" && sha256sum attunet_gui-*.whl >../attunet_gui.sha256)
say "3/3 $(find "$out/wheels" -name '*.whl' | wc -l) wheels, $(du -sm "$out" | cut -f1) MB in $out"
