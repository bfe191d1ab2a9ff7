"""The number format of training, chosen by what the processor computes fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attunet_gui.network.tensorflow_runtime import keras, tf
from attunet_gui.network.training_config import Precision, TrainingConfig

# Flags of Linux for CPUs with instructions for bfloat16. Without them it is emulated and slow.
_BFLOAT16_CPU_FLAGS = {"avx512_bf16", "amx_bf16", "avx_ne_convert"}
# Compute capability of Ampere, NVIDIA's first architecture with bfloat16.
_MIN_BFLOAT16_GPU = (8, 0)


def precision_for(settings: TrainingConfig) -> Precision:
    """Return the precision that `settings` ask for.

    For "auto" it is mixed_bfloat16 where the GPU, or without one the CPU, computes with it, and else float32.
    """
    if settings.precision != "auto":
        return settings.precision
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return "mixed_bfloat16" if tuple(capability) >= _MIN_BFLOAT16_GPU else "float32"
    return "mixed_bfloat16" if _cpu_flags() & _BFLOAT16_CPU_FLAGS else "float32"


@contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Set Keras' precision while the context lasts; layers take it over when they are built."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _cpu_flags() -> set[str]:
    """Return the flags of the first CPU from Linux' /proc/cpuinfo; an empty set on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
