"""The framing map and the size curve of a study."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import gaussian_kde

from bias_toolkit import Study, invariance
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.report.topics.cause import part_findings

GRID = {"map_positions": (0.35, 0.5), "map_scales": (0.36, 0.48, 0.64)}
SMALL = GRID | {"map_images": 10, "size_images": 6, "map_surroundings": ("mean", "real")}


SMALLEST = {"map_positions": (0.5,), "map_scales": (0.48,), "map_images": 10, "map_surroundings": ("mean",)}


@pytest.fixture(scope="module")
def mapped(small, tmp_path_factory):
    """An analysed study with a small map and a small size curve; tests must not change it."""
    folder = tmp_path_factory.mktemp("mapped") / "study"
    shutil.copytree(small.folder, folder)
    return Study(folder, **SMALL).measure_map().measure_sizes()


def test_the_map_has_every_image_in_the_cells_it_fits_into(mapped):
    framed = mapped.framed
    assert list(framed["surroundings"].unique()) == ["mean", "real"]
    of_mean = framed[framed["surroundings"].eq("mean")]
    assert of_mean["image_id"].nunique() == 10
    cells = set(map(tuple, of_mean[["cx", "cy", "scale"]].to_numpy()))
    assert cells <= {(cell.cx, cell.cy, cell.scale) for cell in mapped.inputs.framing_grid.cells}
    assert (0.5, 0.5, 0.48) in cells
    assert of_mean["label_index"].notna().all()
    assert mapped.framing_map.cells["surroundings"].eq("mean").sum() == len(cells)


def test_the_density_is_that_of_the_training_objects_as_the_model_sees_them(mapped):
    objects = mapped.objects("train")
    # The model's 64 pixels are the middle of the image's 74.
    centre_x, centre_y = ((objects[f"{axis}0"] + objects[f"{axis}1"]) / 2 for axis in "xy")
    scale = np.sqrt((objects["x1"] - objects["x0"]) * (objects["y1"] - objects["y0"])) / 64
    points = np.stack([(centre_x - 5 + 1) / 64, (centre_y - 5 + 1) / 64, np.log(scale)])
    cells = mapped.framing_map.cells
    cells = cells[cells["surroundings"].eq("mean")]
    expected = gaussian_kde(points)(np.stack([cells["cx"], cells["cy"], np.log(cells["scale"])]))
    # No direction is taken to be narrower than a hundredth of the image, which a plain kernel density does not know.
    np.testing.assert_allclose(cells["log_density"], np.log(expected), rtol=0.05, atol=0.2)


def test_a_second_run_computes_nothing_and_other_settings_only_what_they_touch(mapped, tmp_path, monkeypatch):
    folder = tmp_path / "study"
    shutil.copytree(mapped.folder, folder)
    runs, grid_shards = [], invariance.grid_shards

    def counted(*arguments, **options):
        runs.append(arguments[5])
        return grid_shards(*arguments, **options)

    monkeypatch.setattr(invariance, "grid_shards", counted)
    monkeypatch.setattr(invariance, "sweep_shards", lambda *arguments, **_: runs.append(arguments[3].name))
    Study(folder).measure_map().measure_sizes()
    assert runs == []
    before = Study(folder).framed
    wider = Study(folder, map_surroundings=("mean", "real", "black"), resamples=150)
    with pytest.raises(InputError, match="run `bias-toolkit map`"):
        _ = wider.framing_map
    wider.measure_map()
    assert runs == ["black"]
    pd.testing.assert_frame_equal(before, Study(folder, map_surroundings=("mean", "real")).framed)


def test_the_size_curve_is_the_mean_of_the_sampled_images(mapped):
    measures, curve = mapped.size_measures, mapped.size_curve
    assert measures["image_id"].nunique() == 6
    assert len(measures) == 6 * len(mapped.inputs.size_sweeps)
    means = measures.groupby(["protocol", "size"])["p_top1_change"].mean()
    rows = curve[curve["measure"].eq("p_top1_change")].set_index(["protocol", "size"])["value"]
    pd.testing.assert_series_equal(rows.sort_index(), means.sort_index(), check_names=False, check_dtype=False)
    whole = mapped.measures.set_index("image_id")
    shown = measures[measures["protocol"].eq("crop") & measures["size"].eq(1)].set_index("image_id")
    # The same views in other batches, which change an output by rounding only.
    np.testing.assert_allclose(shown["mac"], whole["mac"].reindex(shown.index), rtol=1e-4, atol=1e-6)


def test_what_was_found_is_said_without_a_report(mapped):
    texts = [finding.text for finding in part_findings(mapped, "map")]
    assert any("10 images" in text or "cannot be said" in text for text in texts)
    assert part_findings(mapped, "sizes")


def test_plots_need_no_analysis_and_no_images(mapped, tmp_path):
    shutil.copytree(mapped.folder, tmp_path / "study", ignore=shutil.ignore_patterns("analysis", "report"))
    opened = Study(tmp_path / "study")
    assert opened.plot("map").figure.axes
    (legend,) = opened.plot("size-vs-invariance", beside=[opened]).figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["demo, study (1)", "demo, study (2)"]
    assert opened.plot("map-vs-density", measure="mac").figure.axes
    with pytest.raises(InputError, match="--measure is 'margin'"):
        opened.plot("map", measure="margin")
    with pytest.raises(InputError, match="--with is for size-vs-invariance"):
        opened.plot("map", beside=[opened])


def test_every_figure_that_a_study_lists_can_be_drawn(finished):
    names = finished.figures()
    assert "distance-vs-invariance" in names
    assert not {"size-vs-invariance", "map", "map-vs-density"} & set(names)
    for name in names:
        assert finished.plot(name).figure.axes


def test_one_size_makes_no_curve(finished):
    with pytest.raises(InputError, match="bias-toolkit sizes"):
        finished.plot("size-vs-invariance")
    with pytest.raises(InputError, match="bias-toolkit map"):
        finished.plot("map")


def test_without_boxes_the_images_are_the_objects(few, fast, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for path in sorted(few["test"].parent.glob("*.png"))[:12]:
        shutil.copy(path, pictures)
    asked = SMALLEST | {"map_surroundings": ("mean", "real")}
    study = Study(tmp_path / "study", pictures, pictures, "demo", **fast, **asked).measure_map()
    framed = study.framed
    assert framed["surroundings"].eq("mean").all()
    # A square image of scale 0.48 covers 31 of 64 pixels on each side.
    inner = framed[framed["cx"].eq(0.5) & framed["cy"].eq(0.5) & framed["scale"].eq(0.48)]
    assert inner["made_up"].to_numpy() == pytest.approx(1 - 31**2 / 64**2, abs=1e-6)
    assert framed["label_index"].isna().all()
    assert study.framing_map.correlations.empty
    (finding,) = part_findings(study, "map")
    assert "boxes are missing" in finding.text
    with pytest.raises(InputError, match="--surroundings is real, but the test set has no object boxes"):
        Study(tmp_path / "study", map_surroundings=("real",)).measure_map()


def test_an_image_that_cannot_be_read_is_listed(few, fast, tmp_path):
    pictures = shutil.copytree(few["test"].parent, tmp_path / "pictures")
    study = Study(
        tmp_path / "study",
        few["train"],
        pictures / "images.csv",
        "demo",
        **fast | SMALLEST | {"map_images": 20},
    )
    study.read_images()
    broken = sorted(pictures.glob("*.png"))[3]
    stamp = broken.stat()
    broken.write_bytes(broken.read_bytes()[:-40].ljust(stamp.st_size, b"\0"))
    os.utime(broken, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    study.measure_map()
    assert broken.name not in set(study.framed["image_id"])
    listed = study.skipped_images.query("step == 'map/mean'")
    assert listed[["split", "image_id"]].to_numpy().tolist() == [["test", broken.name]]
    assert study.seconds["map/mean"] > 0
    assert study.seconds["map/relation"] > 0


def test_images_without_a_box_take_no_part_where_others_have_one(few, fast, tmp_path):
    pictures = shutil.copytree(few["test"].parent, tmp_path / "pictures")
    table = pd.read_csv(pictures / "images.csv")
    boxed = table["path"].drop(table.index[::4])
    table.loc[~table["path"].isin(boxed), ["category", "x0", "y0", "x1", "y1"]] = np.nan
    table.to_csv(pictures / "images.csv", index=False)
    study = Study(tmp_path / "study", few["train"], pictures / "images.csv", "demo", **fast, **SMALLEST)
    shown = set(study.measure_map().framed["image_id"])
    assert len(shown) == 10
    assert shown <= set(boxed)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"map_positions": (0.0, 0.5)}, "--position is 0, 0.5"),
        ({"map_scales": (2.0,)}, "--scale is 2"),
        ({"map_surroundings": ("white",)}, "--surroundings is 'white'"),
        ({"map_images": 1}, "--images is 1"),
        ({"size_images": 0}, "--images is 0"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_made(few, tmp_path, settings, named):
    with pytest.raises(InputError, match=named):
        Study(tmp_path / "study", few["train"], few["test"], "demo", **settings)
    assert not (tmp_path / "study").exists()


def test_one_image_is_no_sample(few, fast, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.fromarray(np.zeros((74, 74, 3), np.uint8)).save(pictures / "one.png")
    with pytest.raises(InputError, match="fewer than two images"):
        Study(tmp_path / "study", few["train"], pictures, "demo", **fast, **SMALL).measure_sizes()


@pytest.fixture(scope="module")
def reported(mapped, tmp_path_factory):
    """The folder of a copy of it with a new report; tests must not change it."""
    folder = tmp_path_factory.mktemp("reported") / "study"
    shutil.copytree(mapped.folder, folder)
    assert Study(folder).write_report().outdated == frozenset()
    return folder


def test_the_report_has_the_map_and_the_curve(finished, mapped, reported):
    before = (finished.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "What the photographer causes" not in before.split("left out")[0] or "bias-toolkit map" in before
    folder = reported
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    for name in ("map-views", "map-p-top1-change", "map-against-density", "map-accuracy", "size-vs-invariance"):
        assert f"figures/{name}.svg" in page
        assert (folder / "report" / "figures" / f"{name}.svg").exists()
    cells = pd.read_csv(folder / "report" / "tables" / "map_cells.csv")
    assert len(cells) == len(mapped.framing_map.cells)
    assert "made by an earlier run" not in page


def test_a_map_of_other_settings_is_said_to_be_of_an_earlier_run(reported, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(reported, folder)
    study = Study(folder, map_images=3).write_report()
    assert study.outdated == {"map"}
    assert not any(name.startswith("map/") for name in study.seconds)
    assert study.seconds["sizes/curve"] > 0
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "Results of `bias-toolkit map` are left out: they were made by an earlier run" in page
    assert "not varied" not in page
    names = {path.stem for path in (folder / "report").rglob("*.*")}
    assert "size_curve" in names
    assert not {"map_cells", "map-views", "map-p-top1-change"} & names


def test_work_that_nothing_shown_needs_has_no_wall_time(mapped, tmp_path):
    """A map that was stopped before its relation was computed."""
    shutil.copytree(mapped.folder, tmp_path / "study")
    shutil.rmtree(tmp_path / "study" / "map" / "relation")
    study = Study(tmp_path / "study")
    assert study.outdated == frozenset()
    assert not any(name.startswith("map/") for name in study.seconds)
    assert {"features/test", "sizes/curve"} <= set(study.seconds)


def test_views_are_what_the_model_was_shown(mapped):
    views = mapped.map_views()
    assert set(views) == {"mean", "real"}
    scales, pixels = zip(*views["mean"], strict=True)
    assert scales == (0.36, 0.48, 0.64)
    assert all(picture.shape == (64, 64, 3) for picture in pixels)
    assert len(views["real"]) <= 3
