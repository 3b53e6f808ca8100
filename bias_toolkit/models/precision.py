"""Full float32: no TF32, no bfloat16 shortcut, no autotuned kernel, whatever the caller has set."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import backends
from torch.backends import cudnn, mkldnn

MATMUL = backends.cuda.matmul
# Torch before 2.9 has no per-backend setting.
SLOTS = (MATMUL, cudnn.conv, cudnn.rnn, mkldnn.matmul, mkldnn.conv) if hasattr(MATMUL, "fp32_precision") else ()


@contextmanager
def full_float32() -> Iterator[None]:
    """Multiply and convolve in full float32 with deterministic kernels in the block; restore the settings after it."""
    wanted = [(cudnn, "deterministic", True), (cudnn, "benchmark", False)]
    wanted += [(slot, "fp32_precision", "ieee") for slot in SLOTS] or [(cudnn, "allow_tf32", False)]
    with ExitStack() as before:
        for place, name, _ in wanted:
            before.callback(setattr, place, name, getattr(place, name))
        if not SLOTS:
            before.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
            torch.set_float32_matmul_precision("highest")
        for place, name, value in wanted:
            setattr(place, name, value)
        yield
