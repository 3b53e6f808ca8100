"""Where in its view a classifier sees a class: the class activation map, and what it becomes for other heads.

With A_d(x, y) the last activation that has a place in the image and z_c the logit of class c, the map is

    M_c(x, y) = P · Σ_d ∂z_c / ∂A_d(x, y) · A_d(x, y),

P the number of places. Where z is linear in the mean of A over its places, as in most networks, the derivative is
w[c, d] / P, and M_c is the class activation map Σ_d w[c, d] A_d(x, y) (B. Zhou et al., "Learning deep features for
discriminative localization", CVPR 2016, equation 2), whose mean plus the bias is the logit. Heads that read A place by
place get the gradient's share of each place: the elementwise form of Grad-CAM (R. Selvaraju et al., ICCV 2017) that
R. Draelos & L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations", arXiv:2011.08891, section 3, argue
for. Grad-CAM proper averages the derivative over the places first, which forgets what a fully connected head knows:
which places count.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.feature_layer import PROBE_IMAGES, Run, decide_logits, network_logits, run_watched
from bias_toolkit.models.model import Model
from bias_toolkit.models.precision import full_float32

# Layers looked at, from the last, for one that alone decides the logits.
MOST_TRIES = 40
SMALLEST_PROBABILITY = 1e-30
TOP1 = -1
# What a map may miss of what an activation adds to the logit, and of the logit itself, and still be all of it.
ROUNDING, FLOAT32 = 1e-3, 1e-5


class ActivationMaps(NamedTuple):
    """What a model sees where, in N views."""

    maps: np.ndarray  # float32 (N, rows, columns), row 0 at the top
    classes: np.ndarray  # int64 (N,), the class that each map is of
    probabilities: np.ndarray  # float32 (N, model's classes)


class ActivationMap:
    """The activation maps of one model; its network is probed once for the place where they are taken.

    `layer` is the name of the module whose output is A. `is_exact` says whether a map's mean and the logit of an empty
    A add up to the class's logit: then nothing that the network says of the class comes from elsewhere than the map.
    Raises InputError if the network has no such activation, as a vision transformer has none, or computes its logits
    without derivatives.
    """

    def __init__(self, model: Model):
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
        """Run the network over N views, uint8 (N, W, W, 3), and give the map of one class of each.

        `classes`, int (N,), holds the index of each map's class, `TOP1` for the most probable one, which is the
        default. Float32 without TF32, on the model's device; the caller chooses N. What one view gives does not depend
        on the others but for rounding. Raises InputError if an array has another shape or type, or there is no class of
        an index.
        """
        classes = np.full(len(pixels), TOP1) if classes is None else np.asarray(classes)
        n_classes = self._model.n_classes
        if classes.shape != (len(pixels),) or (len(classes) and not TOP1 <= classes.min() <= classes.max() < n_classes):
            raise InputError(
                f"There must be one class for each of {len(pixels)} views, from 0 to {n_classes - 1} or {TOP1} for "
                "the most probable."
            )
        maps, chosen, logits = self._forward(pixels, torch.from_numpy(classes.astype(np.int64)))
        probabilities = logits if self._model.gives_probabilities else torch.softmax(logits, dim=1)
        return ActivationMaps(maps.cpu().numpy(), chosen.cpu().numpy(), probabilities.cpu().numpy())

    def _forward(self, pixels: np.ndarray, classes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps, the classes they are of, and the network's rows."""
        with full_float32(), torch.enable_grad(), torch.autocast(self._model.device.type, enabled=False):
            images = self._model.normalise(pixels)
            # The weights ask for no derivative, so the pass keeps nothing before this activation.
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
            told = maps.mean(dim=(1, 2)).cpu()
            asked = (rows - empty).gather(1, classes[:, None])[:, 0]
            allowed = ROUNDING * asked.abs().max() + FLOAT32 * rows.abs().max()
            if (told - asked).abs().max() > allowed:
                return False
        return True

    def _rows(self, pixels: np.ndarray) -> np.ndarray:
        with full_float32(), torch.no_grad(), torch.autocast(self._model.device.type, enabled=False):
            return network_logits(self._model.module(self._model.normalise(pixels))).float().cpu().numpy()


def _spatial_activation(model: Model, images: Tensor) -> Run:
    """The last module whose output has places in the image and alone decides the logits."""
    runs = [run for run in run_watched(model.module, images) if _has_places(run)]
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
    """Put `change` of the module's output in its place inside the block; the list given holds it, of the last pass."""
    taken: list[Tensor] = []

    def hook(module, args, output):
        taken[:] = [change(output)]
        # A copy goes on, because networks overwrite activations in place.
        return taken[0].clone()

    with module.register_forward_hook(hook):
        yield taken
