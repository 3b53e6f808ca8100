import numpy as np
import pytest
import torch

from bias_toolkit.datasets.demo import load_demo_dataset
from bias_toolkit.demo import arms
from bias_toolkit.demo.arms import ARM_MEASURES, IMAGES, MADE_OF, MEASURED, made_of, measure_arms, measured_arms
from bias_toolkit.models.demo import load_demo_network

NETWORK, SEEDS = "fully-connected", (0, 2)


@pytest.fixture(scope="module")
def measured():
    """The measures of one network, two seeds, and a few images of each test set."""
    few = {"ARM_NETWORKS": (NETWORK,), "DEMO_SEEDS": SEEDS, "IMAGES": {"photographer": 3, "uniform": 4}}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (few | {"RUNTIME": "torch"}).items():
            patch.setattr(arms, name, value)
        return measure_arms()


def test_measures_are_those_of_the_networks_that_ship(measured):
    assert list(measured.columns) == MEASURED.names
    assert len(measured) == 4 * len(SEEDS) * 7
    dataset = load_demo_dataset("uniform")
    network, _ = load_demo_network("fully-connected-both-2")
    rows = measured[measured["dataset"].eq("uniform") & measured["arm"].eq("both") & measured["seed"].eq(2)]
    assert rows["image_id"].tolist() == dataset.images["image_id"][:4].tolist()
    for row in rows.itertuples():
        pixels = dataset.read(row.image_id)
        views = np.stack([pixels[k : k + 64, k : k + 64] for k in range(9)]).transpose(0, 3, 1, 2)
        with torch.inference_mode():
            p = network((torch.from_numpy(views).float() / 255 - 0.5) / 0.25).softmax(1).numpy()
        top1, label = p.argmax(1), int(dataset.images.set_index("image_id")["label"][row.image_id])
        steps = np.arange(8)
        assert row.p_top1_change == pytest.approx((top1[1:] != top1[:-1]).mean())
        assert row.mac == pytest.approx(np.abs(p[steps, top1[:-1]] - p[steps + 1, top1[:-1]]).mean(), abs=1e-5)
        assert row.any_change == (top1 != top1[4]).any()
        assert row.accuracy == pytest.approx((top1 == label).mean())
        assert row.right == (top1[4] == label)


def test_shipped_measures_are_of_the_shipped_networks_and_images(measured):
    """If this fails, `python -m bias_toolkit.demo.arms` makes them anew."""
    shipped = measured_arms()
    assert MADE_OF.read_text().strip() == made_of()
    assert list(shipped.columns) == MEASURED.names
    assert len(shipped) == 2 * 4 * 3 * sum(IMAGES.values())
    assert shipped.notna().all(axis=None)
    keys = ["dataset", "image_id", "network", "arm", "seed"]
    again = measured.merge(shipped, on=keys, suffixes=("", "_shipped"))
    assert len(again) == 4 * len(SEEDS) * 7
    for name in (*ARM_MEASURES, "right"):
        np.testing.assert_allclose(again[name].astype(float), again[f"{name}_shipped"].astype(float), atol=1e-5)
