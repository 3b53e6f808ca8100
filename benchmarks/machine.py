"""The machine that a benchmark ran on."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from bias_toolkit.foundation.threads import cores
from bias_toolkit.study.record import package_versions


def machine() -> str:
    """The machine in a sentence: processor, cores, memory, GPU, versions."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    return (
        f"{processor}, {cores()} cores; {', '.join(gpus) or 'no GPU'}; Python {platform.python_version()}; {versions}."
    )
