#!/usr/bin/env bash
# benchmarks/peers.sh DIR makes an environment with PyTorch and MONAI in DIR, for
# `python -m benchmarks.speed --peers DIR/bin/python`. On Linux plain `torch` brings CUDA along (gigabytes): name a build
# for the CPU with TORCH=torch==VERSION+cpu, and where it lies with PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL.
set -euo pipefail
dir=${1:?"usage: benchmarks/peers.sh DIR"}
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/pip" install -q "${TORCH:-torch}" monai
"$dir/bin/python" -c 'import monai, torch; print("PyTorch", torch.__version__, "and MONAI", monai.__version__)'
