"""Reading what a study has computed, as DataFrames and as figures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bias_toolkit.errors import InputError
from bias_toolkit.plan import SPLITS
from bias_toolkit.steps import recorded_seconds
from bias_toolkit.storage import read_table
from bias_toolkit.study_record import read_record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bias_toolkit.analysis import Analysis
    from bias_toolkit.datasets import Dataset
    from bias_toolkit.features import FeatureStore
    from bias_toolkit.invariance import Sweep

ANALYSIS_TABLES = ("correlations", "curves", "summary", "classes")


class StudyResults:
    """The results in a study's folder. Each property is an InputError that names the command to run where the study
    has not come so far.
    """

    folder: Path
    sweeps: list[Sweep]
    test: Dataset

    def images(self, split: str) -> pd.DataFrame:
        """The images table of the `train` or `test` set."""
        return self._table(f"images/{split}/images.parquet", "report")

    def objects(self, split: str) -> pd.DataFrame:
        """The objects table of the `train` or `test` set."""
        return self._table(f"images/{split}/objects.parquet", "report")

    def skipped(self, split: str) -> pd.DataFrame:
        """The images of the `train` or `test` set that could not be opened: image_id, reason."""
        return self._table(f"images/{split}/skipped.parquet", "report")

    def features(self, split: str) -> FeatureStore:
        """The features of the `train` or `test` set."""
        from bias_toolkit.features import FeatureStore

        return FeatureStore(self._existing(f"features/{split}", "embed"))

    @property
    def neighbours(self) -> pd.DataFrame:
        """Each test image's nearest training images: image_id, rank, neighbour_id, distance."""
        return self._table("neighbours/neighbours.parquet", "index")

    @property
    def distances(self) -> pd.DataFrame:
        """Each test image's distances from the training set."""
        return self._table("neighbours/distances.parquet", "index")

    @property
    def responses(self) -> pd.DataFrame:
        """The model's outputs along every sweep of the study, one row an image and sweep."""
        from bias_toolkit.invariance import load_responses

        folders = [self._existing(f"responses/{sweep.name}", "sweep") for sweep in self.sweeps]
        return pd.concat([load_responses(folder) for folder in folders], ignore_index=True)

    @property
    def measures(self) -> pd.DataFrame:
        """The invariance measures, one row an image and sweep."""
        return self._table("measures/measures.parquet", "sweep")

    @property
    def noise_floor(self) -> dict[str, Any]:
        """`p_top1_change` between two evaluations of the same views, with its interval and counts."""
        return self._json("noise/noise.json", "sweep")

    @property
    def index_reason(self) -> str:
        """One sentence on which index was built, and why."""
        return self._existing("index/reason.txt", "index").read_text(encoding="utf-8").strip()

    def framing(self, split: str) -> pd.DataFrame:
        """Position and scale of every object of the `train` or `test` set."""
        return self._table(f"objects/{split}-framing.parquet", "objects")

    def framing_summary(self, split: str) -> pd.DataFrame:
        """Position and scale of the `train` or `test` set and of its categories against chance."""
        return self._table(f"objects/{split}-summary.parquet", "objects")

    @property
    def per_image(self) -> pd.DataFrame:
        """One row a test image: label, size, measures of the reference sweep, distances, and its subject's framing."""
        return self._table("analysis/per_image.parquet", "analyse")

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
            "objects",
            "analysis",
        ]
        return {name: recorded_seconds(self.folder / name) for name in names if (self.folder / name).exists()}

    def dataset_record(self, split: str) -> dict[str, Any]:
        """What was read of the `train` or `test` set: root, layout, layout_reason, class_names, dropped_boxes."""
        return self._json(f"images/{split}/dataset.json", "report")

    @property
    def label_record(self) -> dict[str, Any]:
        """How the test set's labels were matched with the model's classes: indices, sentence."""
        return self._json("measures/labels.json", "sweep")

    @property
    def model_record(self) -> dict[str, Any]:
        """The model as study.json has it."""
        return read_record(self.folder)["model"]

    def plot(
        self,
        name: str = "distance-vs-invariance",
        *,
        measure: str = "p_top1_change",
        distance: str = "nn_distance",
        bins: int | None = None,
        by_class: bool = False,
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
        from bias_toolkit.study_report import report_contents

        contents = report_contents(self)
        return plot(contents, name, measure=measure, distance=distance, bins=bins, by_class=by_class).axes[0]

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
        table = self.neighbours
        rows = table[table["image_id"] == str(image)]
        if rows.empty and Path(image).exists():
            path = str(Path(image).resolve())
            ids = table["image_id"].unique()
            rows = table[table["image_id"].isin([name for name in ids if self.test.source(name) == path])]
        if rows.empty:
            raise InputError(
                f"{image} is no image of this study's test set; give an image_id, such as "
                f"{table['image_id'].iloc[0]!r}, or the path of one."
            )
        labels = self.images("train").set_index("image_id")["label"]
        rows = rows.assign(label=labels.reindex(rows["neighbour_id"]).to_numpy())
        return rows[["image_id", "rank", "distance", "label", "neighbour_id"]].reset_index(drop=True)

    def findings(self) -> pd.DataFrame:
        """What was found: columns topic, kind, claim, evidence; a topic's most important finding comes first."""
        return pd.DataFrame(self._json("report/results.json", "report")["findings"])

    def _existing(self, name: str, command: str) -> Path:
        path = self.folder / name
        if not path.exists():
            raise InputError(
                f"{self.folder} has no {name.split('/')[0]} yet; run `bias-toolkit {command}` on it first."
            )
        return path

    def _table(self, name: str, command: str) -> pd.DataFrame:
        return read_table(self._existing(name, command))

    def _json(self, name: str, command: str) -> dict[str, Any]:
        return json.loads(self._existing(name, command).read_text(encoding="utf-8"))
