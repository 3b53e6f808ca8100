"""Choose where the exact index is searched: in memory, in blocks from the disk, or on the GPU."""

from dataclasses import dataclass

import faiss

from bias_toolkit.foundation.words import count

GIB = 2**30
GPU_SCRATCH = 2 * GIB
HELD_SHARE = 0.75


@dataclass(frozen=True)
class Placement:
    """Whether candidates come from the GPU, whether the vectors are held in memory, and why.

    `reason` is a sentence for the user who waits for the search. The placement never changes the results.
    """

    on_gpu: bool
    in_memory: bool
    reason: str


def choose_placement(rows: int, dimension: int, memory: int, *, on_disk: bool = True) -> Placement:
    """Choose where to search `rows` vectors of `dimension`.

    The search is exact and flat at any size. GPUs are used if Faiss detects any and their memory holds the vectors as
    float16, split over them, twice: to add a block, Faiss copies everything it has. The vectors are held in main memory
    as float32 if they take at most three quarters of `memory` bytes; otherwise they are read in blocks when needed.
    Vectors that are not `on_disk` are already in memory.
    """
    need = 4 * rows * dimension
    in_memory = not on_disk or need <= HELD_SHARE * memory
    what = f"{count(rows, 'vector')} of {count(dimension, 'float32 number')} ({size_text(need)})"
    held = "held in memory" if in_memory else "read from the feature store in blocks"
    share = f"three quarters of the memory limit of {size_text(memory)}"
    if not on_disk:
        why = ""
    elif in_memory:
        why = f", as they fit {share}"
    else:
        why = f", as they are more than {share}"
    cpu = f"Exact flat search of {what} on the CPU, {held}{why}"
    gpus = faiss.get_num_gpus()
    if gpus == 0:
        return Placement(False, in_memory, f"{cpu}; Faiss sees no GPU.")
    free = min(_gpu_free_memory(device) for device in range(gpus))
    half = (2 * dimension + 4) * -(-rows // gpus)
    each = " each" if gpus > 1 else ""
    if 2 * half + GPU_SCRATCH > free:
        return Placement(
            False,
            in_memory,
            f"{cpu}; as float16 they take {size_text(half)}{each}, twice while they are copied, and "
            f"{size_text(GPU_SCRATCH)} of scratch on the GPU, which has {size_text(free)} free.",
        )
    where = "the GPU" if gpus == 1 else f"{gpus} GPUs, a part on each"
    return Placement(
        True,
        in_memory,
        f"Exact flat search of {what} on {where}: candidates from a float16 copy ({size_text(half)}{each}, "
        f"{size_text(free)} free), their distances from the float32 vectors, {held}{why}.",
    )


def _gpu_free_memory(device: int) -> int:
    import torch

    return torch.cuda.mem_get_info(device)[0] if torch.cuda.is_available() else 0


def size_text(size: int) -> str:
    """A memory size in readable form."""
    return f"{size / GIB:.1f} GiB" if size >= 0.1 * GIB else f"{size / 2**20:.1f} MiB"
