"""Operations measured over images: against forward hooks and slow filters, and in every condition."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import nn

from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.shards import cut_into_shards
from bias_toolkit.invariance import LAYER_SWEEP, LAYERS, LayerProbe, layer_shards, make_views
from bias_toolkit.invariance.layers import layer_measures
from bias_toolkit.models import Preprocessing, load_model, low_pass
from bias_toolkit.models.input_blur import blurred_input
from bias_toolkit.models.model import Model

MEASURES = ["aliased_energy", "shift_error", "pooled_change"]
PREPROCESSING = Preprocessing((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Small(nn.Module):
    """A strided convolution and a pooling, whose classes are channel means."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Linear(8, 5)

    def forward(self, images):
        maps = self.pool(F.relu(self.first(images)))
        return self.last(maps.mean(dim=(2, 3)))


def model_of(network, side=48):
    return Model("small", network, input_size=side, preprocessing=PREPROCESSING)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return model_of(Small())


@pytest.fixture
def images(random_image):
    return {name: random_image(40, 50, seed) for seed, name in enumerate("abc")}


def run(model, read, ids="abc"):
    """Both tables of all shards, as they come back from disk."""
    shards = list(layer_shards(model, read, cut_into_shards(list(ids), 2), advance=lambda _: None))
    tables = [pa.Table.from_pandas(shard["layers"], LAYERS) for shard in shards]
    return pa.concat_tables(tables).to_pandas(), pd.concat(shard["skipped"] for shard in shards)


@torch.no_grad()
def test_every_number_is_that_of_the_maps(model, images):
    table, skipped = run(model, images.__getitem__)
    assert skipped.empty
    network = model.module
    rebuilt = low_pass(network, 3, input_size=48)
    expected = []
    for name, image in images.items():
        views = make_views(image, LAYER_SWEEP, 48, name)
        assert len(views) == 9
        given = model.normalise(views.pixels, views.blank)
        assert not given[4, :, 0].any()
        blurred = torch.from_numpy(
            gaussian_filter(given.double().numpy(), 2.0, axes=(2, 3), mode="constant", truncate=4.0)
        ).float()
        torch.testing.assert_close(blurred_input(given, 2.0), blurred, atol=1e-5, rtol=1e-4)
        for condition, pixels in (("original", given), ("low-pass", given), ("blurred", blurred)):
            first = F.conv2d(pixels, network.first.weight, network.first.bias, 1, 1)
            if condition == "low-pass":
                first = binomial(F.relu(first))
                second = binomial(F.max_pool2d(first[..., ::2, ::2], 2, 1))
                logits = rebuilt(pixels)
            else:
                second = F.max_pool2d(F.relu(first[..., ::2, ::2]), 2, 1)
                logits = network(pixels)
            top = logits.argmax(dim=1).numpy()
            for depth, (operation, dense) in enumerate((("first", first), ("pool", second)), 1):
                values = layer_measures(dense[..., ::2, ::2], dense[4], 2, 2**depth)
                row = {"image_id": name, "condition": condition, "operation": operation, "depth": depth, "stride": 2}
                change = float((top[1:] != top[:-1]).mean())
                expected.append(row | {"total_stride": 2**depth, "p_top1_change": change} | values)
    expected = pd.DataFrame(expected)
    assert table.drop(columns=[*MEASURES, "p_top1_change"]).equals(
        expected[["image_id", "condition", "operation", "depth", "stride", "total_stride"]]
        .assign(kind=["convolution", "max pooling"] * 9)
        .astype(table.dtypes[["depth", "stride", "total_stride"]].to_dict())[
            [name for name in table if name not in [*MEASURES, "p_top1_change"]]
        ]
    )
    for name in (*MEASURES, "p_top1_change"):
        np.testing.assert_allclose(table[name], expected[name], rtol=1e-3, atol=1e-5)
    assert table["pooled_change"].gt(1e-3).any()


def binomial(maps):
    """The filter [1, 2, 1] / 4 along both axes, over reflected borders."""
    kernel = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])).div(16)
    maps = F.pad(maps, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(maps, kernel.expand(maps.shape[1], 1, 3, 3), groups=maps.shape[1])


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_the_number_of_threads_changes_no_bit_and_stays_set(runtime, random_image, monkeypatch):
    if runtime == "openvino":
        pytest.importorskip("openvino")
    torch.manual_seed(0)
    model = Model("small", Small(), input_size=48, preprocessing=PREPROCESSING, runtime=runtime)
    assert LayerProbe(model).is_compiled == (runtime == "openvino")
    images = {name: random_image(40, 50, seed) for seed, name in enumerate("abcdefgh")}
    of_torch, tables = torch.get_num_threads(), []
    for threads in (1, 4):
        monkeypatch.setattr("bias_toolkit.models.watched.parallel_images", lambda threads=threads: threads)
        tables.append(run(model, images.__getitem__, images)[0])
        assert torch.get_num_threads() == of_torch
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert list(tables[0]["image_id"].unique()) == list(images)


@torch.no_grad()
def test_a_shift_by_the_total_stride_moves_the_output_by_one_cell(model, images):
    views = make_views(images["a"], LAYER_SWEEP, 48, "a")
    seen = {}
    probe = LayerProbe(model)
    probe.watch(
        probe.conditions[0],
        probe.normalise(views),
        lambda operation, maps, dense: seen.update({operation.name: (operation.total_stride, maps)}),
    )
    for total_stride, maps in seen.values():
        torch.testing.assert_close(maps[4 + total_stride][:, 2:-1, 2:-1], maps[4][:, 1:-2, 1:-2], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(maps[5][:, 2:-1, 2:-1], maps[4][:, 1:-2, 1:-2], atol=1e-3)


def test_an_unreadable_image_is_left_out(model, images):
    def read(image_id):
        if image_id == "b":
            raise UnreadableImageError("it is broken")
        return images[image_id]

    table, skipped = run(model, read)
    assert list(table["image_id"].unique()) == ["a", "c"]
    assert skipped["image_id"].tolist() == ["b"]


def test_the_maps_of_an_image_are_those_that_were_measured(model, images):
    probe = LayerProbe(model)
    views = make_views(images["a"], LAYER_SWEEP, 48, "a")
    table = probe.maps(views, "a").set_index(["condition", "operation", "part"])
    assert len(table) == 3 * 2 * 2
    for (condition, operation, _), row in table.iterrows():
        before, after = table.loc[(condition, operation, "before")], table.loc[(condition, operation, "after")]
        assert before["channel"] == after["channel"] == table.loc[("original", operation, "before"), "channel"]
        whole = before["values"].reshape(before["height"], before["width"])
        kept = whole[:: row["stride"], :: row["stride"]]
        np.testing.assert_allclose(kept.ravel(), after["values"], atol=1e-5)
    first, given = model.module.first, model.normalise(views.pixels, views.blank)[4:5]
    for condition, pixels in (("original", given), ("blurred", blurred_input(given, 2.0))):
        row = table.loc[(condition, "first", "before")]
        with torch.no_grad():
            whole = F.conv2d(pixels, first.weight, first.bias, 1, 1)[0, row["channel"]]
        np.testing.assert_allclose(row["values"], whole.ravel(), atol=1e-5)


class Flat(nn.Module):
    def __init__(self, shrink):
        super().__init__()
        self.shrink = shrink
        self.first, self.last = nn.Conv2d(3, 8, 3), nn.Linear(8, 5)

    def forward(self, images):
        if self.shrink:
            images = F.interpolate(images, scale_factor=0.5)
        return self.last(F.relu(self.first(images)).mean(dim=(2, 3)))


@pytest.mark.parametrize("shrink", [False, True])
def test_a_network_without_such_operations_is_refused_in_one_sentence(shrink):
    torch.manual_seed(0)
    with pytest.raises(InputError, match="no operation that subsamples and can be measured") as raised:
        LayerProbe(model_of(Flat(shrink)))
    assert ("interpolation" in str(raised.value)) == shrink


class Merged(Flat):
    def forward(self, images):
        return super().forward(F.pixel_unshuffle(images, 2)[:, ::4])


def test_without_a_layer_to_filter_there_is_no_rebuilt_network():
    torch.manual_seed(0)
    probe = LayerProbe(model_of(Merged(False)))
    assert [each.condition for each in probe.conditions] == ["original", "blurred"]


def test_an_output_that_is_not_finite_is_refused(model, images):
    probe = LayerProbe(model)
    views = make_views(images["a"], LAYER_SWEEP, 48, "a")
    weight = probe.conditions[0].watched.network.last.weight.data
    kept = weight.clone()
    weight[0] = torch.nan
    try:
        with pytest.raises(InputError, match="output for a is not finite"):
            probe.rows(views, "a")
    finally:
        weight.copy_(kept)


def test_the_demo_network_is_measured(random_image):
    table, _ = run(load_model("demo:global-pooling", runtime="torch"), lambda name: random_image(64, 64, 1), "a")
    assert set(table["condition"]) == {"original", "low-pass", "blurred"}
    assert table[MEASURES].notna().all(axis=None)
