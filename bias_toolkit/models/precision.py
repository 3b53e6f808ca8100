"""Full float32: no TF32, no bfloat16 shortcut, no autotuned kernel, whatever the caller has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import backends


@contextmanager
def full_float32() -> Iterator[None]:
    """Multiply and convolve in full float32 with deterministic kernels inside the block.

    The caller's settings, which are global to the process, come back when the block ends.
    """
    has_precision_slots = hasattr(backends.cuda.matmul, "fp32_precision")
    with _deterministic_cudnn(), _precision_slots() if has_precision_slots else _precision_flags():
        yield


@contextmanager
def _deterministic_cudnn() -> Iterator[None]:
    cudnn = backends.cudnn
    deterministic, benchmark = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = deterministic, benchmark


@contextmanager
def _precision_slots() -> Iterator[None]:
    slots = (
        backends.cuda.matmul,
        backends.cudnn.conv,
        backends.cudnn.rnn,
        backends.mkldnn.matmul,
        backends.mkldnn.conv,
    )
    before = [slot.fp32_precision for slot in slots]
    try:
        for slot in slots:
            slot.fp32_precision = "ieee"
        yield
    finally:
        for slot, precision in zip(slots, before, strict=True):
            slot.fp32_precision = precision


@contextmanager
def _precision_flags() -> Iterator[None]:
    """The same for torch before 2.9, which has no setting for each backend."""
    matmul, convolution = torch.get_float32_matmul_precision(), backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("highest")
        backends.cudnn.allow_tf32 = False
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        backends.cudnn.allow_tf32 = convolution
