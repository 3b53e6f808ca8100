"""Where the index is searched, on the GPU or the CPU, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass

import faiss

GIB = 2**30
GPU_SCRATCH = 2 * GIB


@dataclass(frozen=True)
class Placement:
    """A choice of device: `on_gpu`, and `reason`, a sentence for the person who waits for the search."""

    on_gpu: bool
    reason: str


def choose_placement(rows: int, dimension: int) -> Placement:
    """Choose where to search `rows` float32 vectors of `dimension`, from their size and the free memory.

    The search is exact and flat at any size: what is measured are distances, and an approximate index would
    make some of them too large. The GPUs are taken where Faiss sees any and each can hold a copy.
    """
    need = 4 * rows * dimension
    what = f"{rows:,} vectors of {dimension:,} float32 numbers ({_size(need)})"
    gpus = faiss.get_num_gpus()
    if gpus == 0:
        return Placement(False, f"Exact flat search of {what} on the CPU{_pressure(need)}; Faiss sees no GPU.")
    free = min(_gpu_free_memory(device) for device in range(gpus))
    if need + GPU_SCRATCH > free:
        return Placement(
            False,
            f"Exact flat search of {what} on the CPU{_pressure(need)}; "
            f"with {_size(GPU_SCRATCH)} of scratch they do not fit the {_size(free)} free on the GPU.",
        )
    where = "the GPU" if gpus == 1 else f"{gpus} GPUs, a copy on each"
    return Placement(True, f"Exact flat search of {what} on {where}; {_size(free)} is free there.")


def _pressure(need: int) -> str:
    memory = _physical_memory()
    if memory is None or need <= memory:
        return ""
    return f", more than its {_size(memory)} of memory, so it will be slow"


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _gpu_free_memory(device: int) -> int:
    import torch

    return torch.cuda.mem_get_info(device)[0] if torch.cuda.is_available() else 0


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= 0.1 * GIB else f"{count / 2**20:.1f} MiB"
