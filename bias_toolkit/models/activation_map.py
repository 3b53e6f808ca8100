"""Where in its view a classifier detects a class: the class activation map, and its generalisation to other heads.

With A_d(x, y) the last spatial activation and z_c the logit of class c, the map is

    M_c(x, y) = P · Σ_d ∂z_c / ∂A_d(x, y) · A_d(x, y),

with P the number of positions. If z is linear in the mean of A over its positions, as in most networks, the derivative
is w[c, d] / P, and M_c is the class activation map Σ_d w[c, d] A_d(x, y) (B. Zhou et al., "Learning deep features for
discriminative localization", CVPR 2016, equation 2), whose mean plus the bias is the logit. Heads that read A position
by position get the gradient's share of each position. That is the elementwise form of Grad-CAM (R. Selvaraju et al.,
ICCV 2017) recommended by R. Draelos & L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations",
arXiv:2011.08891, section 3. Grad-CAM itself averages the derivative over the positions first. That discards which
positions matter, which a fully connected head knows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.feature_layer import PROBE_IMAGES, Run, decide_logits, network_logits, run_watched
from bias_toolkit.models.model import Model
from bias_toolkit.models.precision import full_float32

# Number of layers to try, from the last, to find one that alone determines the logits.
MOST_TRIES = 40
SMALLEST_PROBABILITY = 1e-30
TOP1 = -1
# Tolerances, relative to an activation's effect on the logit and to the logit, at which a map counts as complete.
ROUNDING, FLOAT32 = 1e-3, 1e-5


class ActivationMaps(NamedTuple):
    """Class activation maps of N views."""

    maps: np.ndarray  # float32 (N, rows, columns), row 0 at the top
    classes: np.ndarray  # int64 (N,), the class of each map
    probabilities: np.ndarray  # float32 (N, model's classes)


class ActivationMap:
    """The activation maps of one model; its network is probed once for the layer that they are taken from.

    `layer` is the name of the module whose output is A. `is_exact` says whether a map's mean plus the logit for a zero
    A equals the class's logit: then all evidence for the class is in the map. Raises InputError if the network has no
    spatial activation, like a vision transformer, or computes its logits without derivatives.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        side = model.input_size
        pixels = np.random.default_rng(0).integers(0, 256, (PROBE_IMAGES, side, side, 3), np.uint8)
        with full_float32(), torch.no_grad(), torch.autocast(model.device.type, enabled=False):
            run = _spatial_activation(model, model.normalise(pixels))
        self.layer = run.name
        self._module = run.module
        self._channel_axis = run.output_channel_axis
        self.is_exact = self._adds_up(pixels)

    def __call__(self, pixels: np.ndarray, classes: np.ndarray | None = None) -> ActivationMaps:
        """Run the network on N views, uint8 (N, W, W, 3), and return the map of one class for each.

        `classes`, int (N,), holds the index of each map's class, or `TOP1`, the default, for the most probable one. It
        runs in float32 without TF32, on the model's device; the caller chooses N. A view's result does not depend on
        the others, except for rounding. Raises InputError if an array has the wrong shape or type, or an index is not
        a class.
        """
        classes = np.full(len(pixels), TOP1) if classes is None else np.asarray(classes)
        n_classes = self._model.n_classes
        if classes.shape != (len(pixels),) or (len(classes) and not TOP1 <= classes.min() <= classes.max() < n_classes):
            raise InputError(
                f"There must be one class for each of {len(pixels)} views, from 0 to {n_classes - 1} or {TOP1} for "
                "the most probable."
            )
        maps, chosen, logits = self._forward(pixels, torch.from_numpy(classes.astype(np.int64)))
        probabilities = self._model.reading.probabilities(logits)
        return ActivationMaps(maps.cpu().numpy(), chosen.cpu().numpy(), probabilities.cpu().numpy())

    def _forward(self, pixels: np.ndarray, classes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps, their classes, and the network's output rows."""
        with full_float32(), torch.enable_grad(), torch.autocast(self._model.device.type, enabled=False):
            images = self._model.normalise(pixels)
            # The weights need no derivative, so the pass stores nothing before this activation.
            with _activation(self._module, lambda output: output.detach().requires_grad_()) as taken:
                rows = network_logits(self._model.module(images)).float()
            top1 = rows.detach().argmax(dim=1)
            chosen = torch.where(classes.to(top1.device) == TOP1, top1, classes.to(top1.device))
            scores = rows.gather(1, chosen[:, None])
            if self._model.gives_probabilities:
                scores = scores.clamp(min=SMALLEST_PROBABILITY).log()
            if not rows.requires_grad:
                raise InputError(
                    f"The model {self._model.name} computes its output without derivatives (under torch.no_grad, for "
                    "instance), so where it sees a class cannot be told; give the images' boxes, or another model."
                )
            (activation,) = taken
            (slope,) = torch.autograd.grad(scores.sum(), activation)
            maps = (slope.float() * activation.detach().float()).sum(dim=self._channel_axis)
            return maps * maps[0].numel() if len(maps) else maps, chosen, rows.detach()

    def _adds_up(self, pixels: np.ndarray) -> bool:
        if self._model.gives_probabilities:
            return False
        with torch.no_grad(), _activation(self._module, torch.zeros_like):
            empty = torch.from_numpy(self._rows(pixels))
        for extreme in (torch.argmax, torch.argmin):
            rows = torch.from_numpy(self._rows(pixels))
            classes = extreme(rows, dim=1)
            maps, _, _ = self._forward(pixels, classes)
            explained = maps.mean(dim=(1, 2)).cpu()
            asked = (rows - empty).gather(1, classes[:, None])[:, 0]
            allowed = ROUNDING * asked.abs().max() + FLOAT32 * rows.abs().max()
            if (explained - asked).abs().max() > allowed:
                return False
        return True

    def _rows(self, pixels: np.ndarray) -> np.ndarray:
        with full_float32(), torch.no_grad(), torch.autocast(self._model.device.type, enabled=False):
            return network_logits(self._model.module(self._model.normalise(pixels))).float().cpu().numpy()


def _spatial_activation(model: Model, images: Tensor) -> Run:
    """The last module whose output is spatial and alone determines the logits."""
    runs = [run for run in run_watched(model.module, images)[0] if _has_places(run)]
    for run in reversed(runs[-MOST_TRIES:]):
        if decide_logits(model.module, images, [run]):
            if len(run.output_shape) == 4:
                return run
            break
    raise InputError(
        f"The model {model.name} has no activation map between its layers and its output (a transformer's tokens are "
        "none), so where it sees a class cannot be told; give the images' boxes, or name a convolutional model."
    )


def _has_places(run: Run) -> bool:
    shape = run.output_shape
    channel_axis = run.output_channel_axis if len(shape) == 4 else 0
    places = [side for axis, side in enumerate(shape[1:], 1) if axis != channel_axis]
    return len(shape) in (3, 4) and shape[0] == PROBE_IMAGES and min(places) > 1


@contextmanager
def _activation(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[list[Tensor]]:
    """Replace the module's output by `change` of it inside the block; the yielded list holds the last pass's output."""
    taken: list[Tensor] = []

    def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        taken[:] = [change(output)]
        # The network gets a copy, because networks overwrite activations in place.
        return taken[0].clone()

    with module.register_forward_hook(hook):
        yield taken
