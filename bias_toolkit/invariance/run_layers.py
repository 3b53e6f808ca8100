"""Measure the operations of a network that subsample on a dataset's images, shard by shard."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from bias_toolkit.datasets import skipped_table
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.files import read_shards
from bias_toolkit.foundation.shards import Shard, prepared_shards
from bias_toolkit.invariance.layer_list import AS_IT_IS, CONDITIONS, FILTER_SIZE, INPUT_SIGMA
from bias_toolkit.invariance.measures import p_top1_change
from bias_toolkit.invariance.response import check_finite
from bias_toolkit.invariance.schema import LAYER_MAPS, LAYERS, OPERATIONS
from bias_toolkit.invariance.sweep import Sweep, make_views
from bias_toolkit.invariance.transforms import CENTRE, STEPS
from bias_toolkit.invariance.views import Views

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bias_toolkit.models import Model
    from bias_toolkit.models.subsampling import Operation, Subsampling
    from bias_toolkit.models.watched import CompiledWatch, SeeMaps, WatchedNetwork

LAYER_SWEEP = Sweep("embed", "diagonal", 2.0)
"""The views on which operations are measured: nothing enters or leaves the canvas."""


class Measured(NamedTuple):
    """A network in one condition."""

    condition: str
    watched: WatchedNetwork
    prepare: Callable[[Tensor], Tensor]  # from the normalised views to the network's input


class LayerProbe:
    """A model's network in each condition, to be measured on views of images.

    Attributes
    ----------
    conditions : list of Measured
        Without `low-pass` if the network has no operation that `low_pass` filters.

    Raises
    ------
    InputError
        If the model's network has no operation that subsamples and can be measured.
    """

    def __init__(self, model: Model) -> None:
        from bias_toolkit.models import low_pass
        from bias_toolkit.models.input_blur import blurred_input
        from bias_toolkit.models.subsampling import find_subsampling
        from bias_toolkit.models.watched import WatchedNetwork

        def watched(network: nn.Module, plan: Subsampling) -> WatchedNetwork:
            return WatchedNetwork(network, plan, CENTRE)

        self._model = model
        plan = _measurable(model)
        self._places = {each.name: place for place, each in enumerate(plan.operations, 1)}
        self._named = {each.name: each for each in plan.operations}
        original = watched(model.module, plan)
        networks = {AS_IT_IS.name: (original, lambda images: images)}
        networks["blurred"] = (original, partial(blurred_input, sigma=INPUT_SIGMA))
        try:
            rebuilt = low_pass(model.module, FILTER_SIZE, input_size=model.input_size)
        except InputError:
            # There is nothing to filter, as in a network of patch merging alone.
            pass
        else:
            of_rebuilt = watched(rebuilt, find_subsampling(rebuilt, model.input_size))
            networks["low-pass"] = (of_rebuilt, lambda images: images)
        self.conditions = [Measured(each.name, *networks[each.name]) for each in CONDITIONS if each.name in networks]

    def rows(self, views: Views, image_id: str) -> list[dict[str, object]]:
        """The rows of table LAYERS of one image, from its views along `LAYER_SWEEP`.

        Raises InputError if the network's output is not finite.
        """
        from bias_toolkit.invariance.layers import layer_measures

        rows, images = [], self.normalise(views)
        for measured in self.conditions:
            found: dict[str, dict[str, float]] = {}

            def see(operation: Operation, maps: Tensor, dense: Tensor, found: dict = found) -> None:
                # In a rebuilt network the same operation stands under the same name.
                if (own := self._named.get(operation.name)) is not None:
                    found[own.name] = layer_measures(maps, dense[0], own.stride, own.total_stride)

            logits = self.watch(measured, images, see)
            check_finite(logits, logits, image_id)
            change = float(p_top1_change(logits.argmax(axis=1)))
            for name, values in sorted(found.items(), key=lambda item: self._places[item[0]]):
                row = {"image_id": image_id, "condition": measured.condition, "operation": name}
                own = self._named[name]
                row |= {"kind": own.kind, "depth": self._places[name], "stride": own.stride}
                rows.append(row | {"total_stride": own.total_stride} | values | {"p_top1_change": change})
        return rows

    def maps(self, views: Views, image_id: str) -> pd.DataFrame:
        """One channel of each operation before and after it subsamples, on the centre view: table LAYER_MAPS.

        The channel is the one with the largest differences between neighbouring positions before it subsamples, as the
        network is.
        """
        from bias_toolkit.models.watched import WatchedNetwork

        rows: list[dict[str, object]] = []
        channels: dict[str, int] = {}
        images = self.normalise(views[CENTRE : CENTRE + 1])
        for measured in self.conditions:

            def see(operation: Operation, maps: Tensor, dense: Tensor, condition: str = measured.condition) -> None:
                if (own := self._named.get(operation.name)) is None:
                    return
                u = dense[0]
                channel = channels.setdefault(own.name, _roughest(u))
                for part, shown in (("before", u[channel]), ("after", maps[0, channel])):
                    rows.append(
                        {"image_id": image_id, "condition": condition, "operation": own.name}
                        | {"depth": self._places[own.name], "stride": own.stride, "total_stride": own.total_stride}
                        | {"channel": channel, "part": part, "height": shown.shape[0], "width": shown.shape[1]}
                        | {"values": shown.flatten().cpu().numpy().copy()}  # an activation may overwrite the map
                    )

            # One pass of torch takes less time than OpenVINO's compilation.
            WatchedNetwork(measured.watched.network, measured.watched.plan, centre=0).watch(
                measured.prepare(images), see
            )
        order = [measured.condition for measured in self.conditions]
        rows.sort(key=lambda row: (order.index(row["condition"]), row["depth"]))
        return pd.DataFrame(rows, columns=LAYER_MAPS.names)

    def normalise(self, views: Views) -> Tensor:
        """Views as the network takes them, float32 (N, 3, W, W)."""
        return self._model.normalise(views.pixels, views.blank).contiguous()

    def watch(self, measured: Measured, images: Tensor, see: SeeMaps) -> np.ndarray:
        """The logits (9, C) of normalised views along `LAYER_SWEEP` in one condition.

        `see` gets an operation, F, and u of the centre view.

        OpenVINO runs the network if it runs the model, and can; otherwise torch does.
        """
        return self._runners[measured.watched].watch(measured.prepare(images), see)

    @property
    def is_compiled(self) -> bool:
        """Whether OpenVINO runs the network in every condition; then several threads can measure images at a time."""
        from bias_toolkit.models.watched import CompiledWatch

        return all(isinstance(runner, CompiledWatch) for runner in self._runners.values())

    @cached_property
    def _runners(self) -> dict[WatchedNetwork, CompiledWatch | WatchedNetwork]:
        from bias_toolkit.models.precision import full_float32
        from bias_toolkit.models.watched import CompiledWatch, recorded_watch

        runners = {each.watched: each.watched for each in self.conditions}
        if self._model.chosen_runtime != "openvino":
            return runners
        side = self._model.input_size
        # A network is compiled and checked while the next one is recorded, which takes one core.
        with full_float32(), ThreadPoolExecutor(1) as pool:
            compiled = {}
            for watched in runners:
                with suppress(InputError):
                    graph = recorded_watch(watched, side)
                    compiled[watched] = pool.submit(CompiledWatch, watched, graph, (STEPS + 1, 3, side, side))
            for watched, made in compiled.items():
                with suppress(InputError):
                    runners[watched] = made.result()
        return runners


def layer_shards(
    model: Model,
    read: Callable[[str], np.ndarray],
    shards: Iterable[Shard],
    *,
    advance: Callable[[int], None],
) -> Iterator[Mapping[str, pd.DataFrame]]:
    """The measures of a network's operations on images, in every condition.

    Images are measured in threads, and the nine views of an image are one batch. Yields for each shard, in order:
    "layers", the table LAYERS, and "skipped", the table SKIPPED. `read` and `advance` are as for `sweep_shards`. Raises
    InputError as `LayerProbe` does.
    """
    from bias_toolkit.models.watched import one_thread, parallel_images

    probe = LayerProbe(model)
    # Torch takes all cores for one image.
    workers, threads = (parallel_images(), one_thread) if probe.is_compiled else (1, nullcontext)

    def measure(image_id: str) -> list[dict[str, object]]:
        views = make_views(read(image_id), LAYER_SWEEP, model.input_size, image_id)
        with threads():
            return probe.rows(views, image_id)

    # A new thread has as many of torch's threads as were set last, so they are set here too.
    with threads(), closing(prepared_shards(shards, measure, ahead=2 * workers, workers=workers)) as measured:
        for images in measured:
            rows, skipped = [], []
            for image_id, found in images:
                if isinstance(found, UnreadableImageError):
                    skipped.append((image_id, found))
                else:
                    rows += found
                advance(1)
            yield {"layers": pd.DataFrame(rows, columns=LAYERS.names), "skipped": skipped_table(skipped)}


def _roughest(maps: Tensor) -> int:
    """The channel of maps (C, H, W) with the largest squared differences between neighbours."""
    return int(sum(maps.diff(dim=axis).square().sum(dim=(-2, -1)) for axis in (-2, -1)).argmax())


def load_layers(folder: str | os.PathLike) -> pd.DataFrame:
    """The measures of all shards in a folder, table LAYERS."""
    return read_shards(folder, "layers", LAYERS)


def layer_operations(model: Model) -> pd.DataFrame:
    """The operations of a model's network that subsample: table OPERATIONS. Raises InputError as `LayerProbe` does."""
    plan = _measurable(model)
    rows = [
        {"depth": place, "operation": each.name, "kind": each.kind}
        | {"stride": each.stride, "total_stride": each.total_stride, "reason": None}
        for place, each in enumerate(plan.operations, 1)
    ]
    rows += [
        {"depth": None, "operation": each.name, "kind": each.kind, "reason": each.reason} for each in plan.unmeasured
    ]
    return pd.DataFrame(rows, columns=OPERATIONS.names)


def _measurable(model: Model) -> Subsampling:
    from bias_toolkit.models.subsampling import find_subsampling

    plan = find_subsampling(model.module, model.input_size)
    if not plan.operations:
        named = "; ".join(f"{each.name} ({each.kind}): {each.reason}" for each in plan.unmeasured)
        raise InputError(
            f"The model {model.name} has no operation that subsamples and can be measured"
            f"{f' ({named})' if named else ''}; take a convolutional network or a vision transformer."
        )
    return plan
