"""Reading what a study has computed, as DataFrames and as figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import empty_table, read_table
from bias_toolkit.pipeline.steps import damaged_file, read_marker
from bias_toolkit.study.located_results import LocatedResults
from bias_toolkit.study.plan import EXPLANATIONS, LOCALISATION_STEP, MAP, SIZES, SPLITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bias_toolkit.analysis import Analysis
    from bias_toolkit.datasets import Dataset
    from bias_toolkit.explain import Explanation
    from bias_toolkit.features import FeatureStore
    from bias_toolkit.features.index import TrainingIndex
    from bias_toolkit.invariance import Sweep

ANALYSIS_TABLES = (
    "correlations",
    "curves",
    "summary",
    "classes",
    "odds_ratios",
    "losses",
    "ceiling",
    "factors",
    "notes",
)


class StudyResults(LocatedResults):
    """The results in a study's folder. Each property is an InputError that names the command to run where the study
    has not come so far.
    """

    size_sweeps: list[Sweep]
    chosen_surroundings: tuple[str, ...]
    test: Dataset

    def images(self, split: str) -> pd.DataFrame:
        """The images table of the `train` or `test` set."""
        return self._table(f"images/{split}/images.parquet", "report")

    def objects(self, split: str) -> pd.DataFrame:
        """The objects table of the `train` or `test` set."""
        return self._table(f"images/{split}/objects.parquet", "report")

    def read(self, split: str, image_id: str) -> np.ndarray:
        """The pixels of an image of the `train` or `test` set, uint8 (H, W, 3)."""
        return getattr(self, split).read(image_id)

    def skipped(self, split: str) -> pd.DataFrame:
        """The images of the `train` or `test` set that could not be opened: image_id, reason."""
        return self._table(f"images/{split}/skipped.parquet", "report")

    def subjects(self, split: str) -> pd.DataFrame:
        """The object that each image of the `train` or `test` set is about, for those with boxes of their own.

        Columns of the objects table, and width and height of the image, all in pixels.
        """
        from bias_toolkit.objects import image_framing, position_and_scale

        images, objects = self.images(split), self.objects(split)
        chosen = image_framing(position_and_scale(objects, images), images)[["image_id", "object_id"]]
        return chosen.merge(objects, on=["image_id", "object_id"]).merge(
            images[["image_id", "width", "height"]], on="image_id"
        )

    @property
    def skipped_images(self) -> pd.DataFrame:
        """Every image that a step has left out so far: columns split, step, image_id, reason."""
        from bias_toolkit.features.store import skipped_features
        from bias_toolkit.invariance import load_grid_skipped, load_skipped

        readers = {f"images/{split}": lambda folder: read_table(folder / "skipped.parquet") for split in SPLITS}
        readers |= {f"features/{split}": skipped_features for split in SPLITS}
        readers |= {f"responses/{sweep.name}": load_skipped for sweep in self.sweeps}
        readers |= {f"mean-images/{split}": lambda folder: read_table(folder / "skipped.parquet") for split in SPLITS}
        readers |= {f"{MAP}/{surroundings}": load_grid_skipped for surroundings in self.chosen_surroundings}
        readers |= {f"{SIZES}/{sweep.name}": load_skipped for sweep in self.size_sweeps}
        tables = []
        for name, read in readers.items():
            folder, split = self.folder / name, "train" if name.endswith("/train") else "test"
            if read_marker(folder).get("done") and damaged_file(folder, "skipped*") is None:
                # Meanwhile another run may have begun to do the step anew.
                with suppress(FileNotFoundError):
                    tables.append(read(folder).assign(split=split, step=name))
        columns = ["split", "step", "image_id", "reason"]
        return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)

    def left_out(self, split: str) -> set[str]:
        """The images of the `train` or `test` set that a step has left out so far."""
        skipped = self.skipped_images
        return set(skipped.loc[skipped["split"] == split, "image_id"])

    def features(self, split: str) -> FeatureStore:
        """The features of the `train` or `test` set."""
        from bias_toolkit.features import FeatureStore

        return self._read(f"features/{split}", "embed", FeatureStore)

    @property
    def training_index(self) -> TrainingIndex:
        """The index of the training features."""
        from bias_toolkit.features.index import TrainingIndex

        # The index does not hold the features, but says where they are.
        self._existing("features/train", "embed")
        return self._read("index", "index", lambda folder: TrainingIndex.load(folder, self.settings.memory))

    @property
    def search_quality(self) -> pd.DataFrame | None:
        """How far an approximate index is from the exact search on a sample of test images; None for an exact one."""
        if self.settings.index == "exact":
            return None
        return self._table("neighbours/search_quality.parquet", "index")

    @property
    def training_spacing(self) -> np.ndarray:
        """The distance of each training image, or of a sample, to its nearest other training image, ascending."""
        return self._read("index/spacing.npy", "index", np.load)

    @property
    def neighbours(self) -> pd.DataFrame:
        """Each test image's nearest training images: image_id, rank, neighbour_id, distance."""
        return self._table("neighbours/neighbours.parquet", "index")

    @property
    def distances(self) -> pd.DataFrame:
        """Each test image's distances from the training set."""
        return self._table("neighbours/distances.parquet", "index")

    @property
    def n_shared(self) -> int:
        """How many test images are training images themselves, the same file."""
        return self._json("neighbours/shared.json", "index")["n_shared"]

    @property
    def responses(self) -> pd.DataFrame:
        """The model's outputs along every sweep of the study, one row an image and sweep."""
        from bias_toolkit.invariance import load_responses

        tables = [self._read(f"responses/{sweep.name}", "sweep", load_responses) for sweep in self.sweeps]
        return pd.concat(tables, ignore_index=True)

    @property
    def measures(self) -> pd.DataFrame:
        """The invariance measures, one row an image and sweep."""
        return self._table("measures/measures.parquet", "sweep")

    @property
    def sequential(self) -> pd.DataFrame:
        """What is known of each sweep that stopped at the study's `precision`, a row each; no rows without one.

        Columns protocol, transform, size, measure, value, low, high, precision, n (images measured), n_skipped (that
        could not be decoded) and n_images (of the test set).
        """
        from bias_toolkit.invariance import SEQUENTIAL

        if self.settings.precision is None:
            return empty_table(SEQUENTIAL)
        return self._table("measures/sequential.parquet", "sweep")

    @property
    def noise_floor(self) -> dict[str, Any]:
        """`p_top1_change` between two evaluations of the same views, with its interval and counts."""
        return self._json("noise/noise.json", "sweep")

    @property
    def runtime_reason(self) -> str:
        """One sentence on what executed the model in the first sweep, and why; empty where that was not recorded."""
        name = f"responses/{self.sweeps[0].name}/runtime.txt"
        return self._text(name, "sweep").strip() if (self.folder / name).exists() else ""

    @property
    def index_reason(self) -> str:
        """One sentence on which index was built, and why."""
        return self._text("index/reason.txt", "index").strip()

    def framing(self, split: str) -> pd.DataFrame:
        """Position and scale of every object of the `train` or `test` set, and whether its box is estimated."""
        return self._table(f"objects/{split}-framing.parquet", "objects").assign(estimated=self.is_estimated(split))

    def framing_summary(self, split: str) -> pd.DataFrame:
        """Position and scale of the `train` or `test` set and of its categories against chance."""
        return self._table(f"objects/{split}-summary.parquet", "objects").assign(estimated=self.is_estimated(split))

    @property
    def per_image(self) -> pd.DataFrame:
        """One row a test image: label, size, measures of the reference sweep, distances, and its subject's framing."""
        return self._table("analysis/per_image.parquet", "analyse").assign(estimated=self.is_estimated("test"))

    @property
    def analysis(self) -> Analysis:
        """Correlations, curves, summary and classes."""
        from bias_toolkit.analysis import Analysis

        return Analysis(*(self._table(f"analysis/{name}.parquet", "analyse") for name in ANALYSIS_TABLES))

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time of each step, in seconds, over all the runs that it took."""
        names = [
            *(f"images/{split}" for split in SPLITS),
            *(f"features/{split}" for split in SPLITS),
            "index",
            "neighbours",
            *(f"responses/{sweep.name}" for sweep in self.sweeps),
            "measures",
            "noise",
            *(f"located/{split}" for split in SPLITS),
            LOCALISATION_STEP,
            "objects",
            *(f"mean-images/{split}" for split in SPLITS),
            "analysis",
            *(f"{MAP}/{surroundings}" for surroundings in (*self.chosen_surroundings, "relation")),
            *(f"{SIZES}/{sweep.name}" for sweep in self.size_sweeps),
        ]
        markers = {name: read_marker(self.folder / name) for name in names}
        return {name: float(marker["seconds"]) for name, marker in markers.items() if marker}

    def dataset_record(self, split: str) -> dict[str, Any]:
        """What was read of the `train` or `test` set: root, layout, layout_reason, class_names, dropped_boxes."""
        return self._json(f"images/{split}/dataset.json", "report")

    @property
    def label_record(self) -> dict[str, Any]:
        """How the test set's labels were matched with the model's classes: indices, sentence."""
        return self._json("measures/labels.json", "sweep")

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that computed the study's newest step."""
        return self._recorded["versions"]

    @property
    def model_record(self) -> dict[str, Any]:
        """The model as study.json has it."""
        return self._recorded["model"]

    def plot(
        self,
        name: str = "distance-vs-invariance",
        *,
        measure: str = "p_top1_change",
        distance: str = "nn_distance",
        bins: int | None = None,
        by_class: bool = False,
        beside: Sequence[StudyResults] = (),
    ) -> Axes:
        """Draw one of the report's figures; it needs neither the images nor the model.

        Parameters
        ----------
        name : str
            distance-vs-invariance, or another of `bias_toolkit.report.PLOTS`.
        measure, distance : str
            Columns of `per_image`.
        bins : int, optional
            Quantile bins; by default the study's.
        by_class : bool
            One panel a class.
        beside : sequence of Study
            Other studies, of other models, to draw on the axes of size-vs-invariance.

        Returns
        -------
        Axes
            The figure's first; its figure is `axes.figure`.

        Raises
        ------
        InputError
            If there is no such figure, or the study lacks what it shows.
        """
        from bias_toolkit.report import plot

        figure = plot(self, name, measure=measure, distance=distance, bins=bins, by_class=by_class, beside=beside)
        return figure.axes[0]

    def neighbours_of(self, image: str | os.PathLike) -> pd.DataFrame:
        """The nearest training images of one test image, with their labels.

        Parameters
        ----------
        image : str or path
            The image's id, or its path.

        Returns
        -------
        DataFrame
            Columns image_id, rank, distance, label, neighbour_id, nearest first.

        Raises
        ------
        InputError
            If it is no image of the study's test set that could be read.
        """
        image_id = self.test_image(image)
        table = self.neighbours
        rows = table[table["image_id"] == image_id]
        if rows.empty:
            raise InputError(
                f"{image} is no image of this study's test set; give an image_id, such as "
                f"{table['image_id'].iloc[0]!r}, or the path of one."
            )
        labels = self.images("train").set_index("image_id")["label"]
        rows = rows.assign(label=labels.reindex(rows["neighbour_id"]).to_numpy())
        return rows[["image_id", "rank", "distance", "label", "neighbour_id"]].reset_index(drop=True)

    def test_image(self, image: str | os.PathLike) -> str | None:
        """The id of the test image that is given by its id or its path; None if there is none."""
        ids = self.images("test")["image_id"]
        if str(image) in set(ids):
            return str(image)
        if not Path(image).exists():
            return None
        path = str(Path(image).resolve())
        return next((image_id for image_id in ids if self.test.source(image_id) == path), None)

    @property
    def explanations(self) -> dict[str, Explanation]:
        """The explanations of test images that are there under the present settings, by image_id."""
        from bias_toolkit.explain import load_explanation

        return {image_id: self._read(name, "explain", load_explanation) for image_id, name in self._explained.items()}

    @property
    def explanation_keys(self) -> dict[str, str]:
        """Of each of `explanations`, image_id to what tells it from one made under other settings."""
        return {image_id: read_marker(self.folder / name)["key"] for image_id, name in self._explained.items()}

    @property
    def _explained(self) -> dict[str, str]:
        """image_id of a test image to its explanation's folder, relative to the study's."""
        names = sorted(f"{EXPLANATIONS}/{folder.name}" for folder in (self.folder / EXPLANATIONS).glob("*/"))
        for name in names:
            self._restore_markers(name, "explain")
        markers = {name: read_marker(self.folder / name) for name in names}
        return {
            marker["settings"]["image"]: name
            for name, marker in markers.items()
            if "image" in marker.get("settings", {}) and self._is_current(name)
        }

    @property
    def part_keys(self) -> dict[str, str]:
        """Of the parts that a report shows where they are there, what tells each from one made under other settings."""
        steps = {f"{MAP}/relation": MAP, f"{SIZES}/curve": SIZES}
        for step, command in steps.items():
            self._restore_markers(step, command)
        return {step: read_marker(self.folder / step)["key"] for step in steps if self._is_current(step)}

    def findings(self) -> pd.DataFrame:
        """What was found: columns topic, kind, claim, evidence; a topic's most important finding comes first."""
        return pd.DataFrame(self._json("report/results.json", "report")["findings"])
