"""The authors' protocol as a plain loop: `python -m benchmarks.plain_loop FOLDER COUNT OUT MODEL [WEIGHTS]`.

One image at a time, two forward passes a step, each of one view, eager torch in its own memory format, as in the script
that was published with the paper (Azulay & Weiss, JMLR 2019). It runs in a process of its own, in which the toolkit
gives the network and its normalisation and sets nothing.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bias_toolkit.models import pretrained
from bias_toolkit.models.checkpoint import read_weights

STEPS, MARGIN = 8, 10


def network_and_normalisation(model: str, weights: Path | None) -> tuple[torch.nn.Module, int, tuple, tuple]:
    """The network in eval mode, its input size, and the mean and standard deviation of each channel."""
    kind, _, name = model.partition(":")
    file = None if weights is None else read_weights(weights)
    if model == "efficientnet-lite0":
        blueprint = pretrained.efficientnet_lite(model, file)
    elif kind == "torchvision":
        blueprint = pretrained.torchvision_classifier(name, file)
    else:
        blueprint = pretrained.timm_classifier(name, file)
    given = blueprint.preprocessing
    return blueprint.network.eval(), blueprint.input_size, given.mean, given.std


def largest_square(path: Path, side: int) -> np.ndarray:
    """The central square of an image, resized to side + 10: float32 (3, side + 10, side + 10), 0 to 1."""
    image = Image.open(path).convert("RGB")
    shorter = min(image.size)
    left, upper = (image.width - shorter) // 2, (image.height - shorter) // 2
    square = image.crop((left, upper, left + shorter, upper + shorter))
    resized = square.resize((side + MARGIN, side + MARGIN), Image.Resampling.BICUBIC)
    return np.asarray(resized, np.float32).transpose(2, 0, 1) / 255


def main() -> None:
    """Time the loop over the first COUNT images, count page faults; save top-1 classes and their probabilities."""
    folder, count, out, model = sys.argv[1:5]
    weights = Path(sys.argv[5]) if len(sys.argv) > 5 else None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network, side, mean, std = network_and_normalisation(model, weights)
    network = network.to(device)
    mean, std = (torch.tensor(values)[:, None, None] for values in (mean, std))
    paths = sorted(Path(folder).rglob("*.jpg"))[: int(count)]

    def probabilities(view: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            return network(((torch.from_numpy(view) - mean) / std)[None].to(device)).softmax(1)[0].cpu()

    probabilities(largest_square(paths[0], side)[:, :side, :side])
    top1, p_top1, p_next = [], [], []
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    start = time.perf_counter()
    for path in paths:
        picture = largest_square(path, side)
        for k in range(STEPS):
            one, other = (probabilities(picture[:, j : j + side, j : j + side]) for j in (k, k + 1))
            top1.append((int(one.argmax()), int(other.argmax())))
            p_top1.append(float(one.max()))
            p_next.append(float(other[one.argmax()]))
    seconds = time.perf_counter() - start
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    shape = (len(paths), STEPS)
    np.savez(
        out,
        seconds=seconds,
        faults=faults,
        image_ids=[path.relative_to(folder).as_posix() for path in paths],
        top1=np.array(top1).reshape(*shape, 2),
        p_top1=np.array(p_top1).reshape(shape),
        p_next=np.array(p_next).reshape(shape),
    )


if __name__ == "__main__":
    main()
