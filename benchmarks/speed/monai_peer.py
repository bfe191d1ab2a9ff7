"""MONAI's AttentionUnet on PyTorch, timed. Runs in an environment of its own, without this package.

`python monai_peer.py JOB` with JOB as JSON: channels a level, inputs, size (rows, columns), slices, cores.
Prints JSON: seconds for all slices in float32, in bfloat16, and what was measured.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import sys
from time import perf_counter

import monai
import torch
from monai.networks.nets import AttentionUnet

_BATCH = 4


def main() -> None:
    """Measure and print."""
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["cores"])
    torch.manual_seed(0)
    channels = job["channels"]
    network = AttentionUnet(2, job["inputs"], 1, channels, [2] * (len(channels) - 1)).eval()
    images = torch.rand(job["slices"], job["inputs"], *job["size"])
    found = {
        "seconds": _seconds(network, images, torch.float32),
        "bfloat16_seconds": _seconds(network, images, torch.bfloat16),
        "parameters": sum(one.numel() for one in network.parameters()),
        "monai": monai.__version__,
        "torch": torch.__version__,
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _seconds(network: torch.nn.Module, images: torch.Tensor, kind: torch.dtype) -> float:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
        torch.sigmoid(network(images[:_BATCH]))
        start = perf_counter()
        for batch in images.split(_BATCH):
            torch.sigmoid(network(batch))
        return perf_counter() - start


if __name__ == "__main__":
    main()
