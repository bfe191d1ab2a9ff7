"""A training step of MONAI's AttentionUnet on PyTorch, timed. Runs in an environment of its own.

`python monai_step.py JOB` with JOB as JSON: channels a level, inputs, size (rows, columns), batch,
precision ("float32" or "mixed_bfloat16"), cores. Forward, Dice and cross-entropy, backward and AdamW, without
any variation of the slices. For each line on its input it prints [seconds, processor seconds] of a step.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import sys
import time

import torch
from monai.losses import DiceCELoss
from monai.networks.nets import AttentionUnet


def main() -> None:
    """Measure as often as asked."""
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["cores"])
    torch.manual_seed(0)
    channels = job["channels"]
    network = AttentionUnet(2, job["inputs"], 1, channels, [2] * (len(channels) - 1))
    network = network.train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    images = torch.rand(job["batch"], job["inputs"], *job["size"]).to(memory_format=torch.channels_last)
    truth = (torch.rand(job["batch"], 1, *job["size"]) < 0.02).float()
    loss = DiceCELoss(sigmoid=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=job["precision"] == "mixed_bfloat16"):
            logits = network(images)
        optimiser.zero_grad(set_to_none=True)
        loss(logits.float(), truth).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()

    step()
    step()
    for _ in sys.stdin:
        taken = []
        for _again in range(2):
            clock, processor = time.perf_counter(), time.process_time()
            step()
            taken.append((time.perf_counter() - clock, time.process_time() - processor))
        sys.stdout.write(json.dumps([min(each) for each in zip(*taken, strict=True)]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
