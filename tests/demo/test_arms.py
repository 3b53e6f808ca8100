import numpy as np
import pytest
import torch

from bias_toolkit.datasets.demo import load_demo_dataset
from bias_toolkit.demo import arms
from bias_toolkit.demo.arms import ARM_MEASURES, MEASURED, measured_arms
from bias_toolkit.models.demo import load_demo_network

NETWORK, SEEDS = "fully-connected", (0, 2)


@pytest.fixture
def few(monkeypatch):
    """One network, two seeds, and a few images of each test set."""
    monkeypatch.setattr(arms, "ARM_NETWORKS", (NETWORK,))
    monkeypatch.setattr(arms, "DEMO_SEEDS", SEEDS)
    monkeypatch.setattr(arms, "IMAGES", {"photographer": 3, "uniform": 4})
    monkeypatch.setattr(arms, "RUNTIME", "torch")


def refuse(*arguments, **options):
    raise AssertionError("a network was opened")


@pytest.mark.usefixtures("few")
def test_measures_are_those_of_the_networks_that_ship(tmp_path):
    measured = measured_arms(tmp_path)
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


@pytest.mark.usefixtures("few")
def test_second_run_computes_nothing_and_damage_is_mended(tmp_path, monkeypatch):
    first = measured_arms(tmp_path)
    (place,) = tmp_path.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(arms, "load_model", refuse)
        assert measured_arms(tmp_path).equals(first)
    (place / "arms-00003.parquet").write_bytes(b"cut")
    assert measured_arms(tmp_path).equals(first)


@pytest.mark.usefixtures("few")
def test_stopped_run_goes_on(tmp_path, monkeypatch):
    load, opened = arms.load_model, []

    def load_three(name, **options):
        if len(opened) == 3:
            raise KeyboardInterrupt
        opened.append(name)
        return load(name, **options)

    monkeypatch.setattr(arms, "load_model", load_three)
    with pytest.raises(KeyboardInterrupt):
        measured_arms(tmp_path)
    again = []
    monkeypatch.setattr(arms, "load_model", lambda name, **options: again.append(name) or load(name, **options))
    measured = measured_arms(tmp_path)
    assert not set(opened) & set(again)
    assert len(opened + again) == 8
    assert measured[list(ARM_MEASURES)].notna().all(axis=None)


@pytest.mark.usefixtures("few")
def test_other_images_are_computed_anew(tmp_path, monkeypatch):
    measured_arms(tmp_path)
    monkeypatch.setattr(arms, "IMAGES", {"photographer": 2, "uniform": 4})
    assert len(measured_arms(tmp_path)) == 4 * len(SEEDS) * 6
