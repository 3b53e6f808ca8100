"""Reading the results of a study, as DataFrames and as figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.files import empty_table, read_array
from bias_toolkit.models.specs import NAMED_MODELS
from bias_toolkit.pipeline.record import CLEARED, RECORD, StepRecord, read_record
from bias_toolkit.pipeline.step import Plan, Step, Task
from bias_toolkit.pipeline.step_folder import StepFolder
from bias_toolkit.pipeline.stored import Stored
from bias_toolkit.study import steps, values
from bias_toolkit.study.inputs import Inputs
from bias_toolkit.study.settings import SPLITS, Settings
from bias_toolkit.study.trained_on import trained_on

if TYPE_CHECKING:
    import numpy as np

    from bias_toolkit.analysis import Analysis, FramingMap, LayerAnalysis, MostMoved
    from bias_toolkit.datasets import Tables
    from bias_toolkit.explain import Explanation
    from bias_toolkit.explain.request import Request
    from bias_toolkit.features import FeatureStore
    from bias_toolkit.features.index import TrainingIndex
    from bias_toolkit.invariance import Sweep
    from bias_toolkit.objects import FramingComparison, MeanImages

Result = TypeVar("Result")


def _table(step: Step, name: str, doc: str) -> property:
    """A property of `Results`: a table of a step without members."""
    return property(lambda self: self.stored.table(step, name), doc=doc)


class Results:
    """The results in a study's folder.

    Each is read on access. If it is missing, or was computed with other inputs or settings, an InputError names the
    command to run.
    """

    def __init__(self, stored: Stored, inputs: Inputs) -> None:
        self.stored = stored
        self._inputs = inputs
        self.folder: Path = stored.folder

    @property
    def _plan(self) -> Plan:
        return self.stored.plan

    # The inputs

    @property
    def settings(self) -> Settings:
        """The settings of the study."""
        return self._inputs.settings

    @property
    def sweeps(self) -> list[Sweep]:
        """The sweeps of the study."""
        return self._inputs.sweeps

    @property
    def reference_sweep(self) -> Sweep | None:
        """The sweep that distances and framing are related to; None if no sweep moves by steps."""
        return self._inputs.reference_sweep

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that computed the study's newest step."""
        return dict(self._inputs.recorded.versions)

    @property
    def model_record(self) -> dict[str, Any]:
        """The model in study.json: its name, weights, preprocessing, classes, feature, and how it was read."""
        record = self._inputs.recorded.model
        if record is None or record.opened is None or record.identity != self._inputs.identity("model"):
            raise InputError(f"The model of {self.folder} was not opened yet; run `bias-toolkit embed` on it.")
        more = {"n_classes": record.n_classes, "feature_dimension": record.feature_dimension}
        return record.opened.model_dump() | more | {"in_memory": record.in_memory, "notes": record.notes}

    def read_image(self, split: str, image_id: str) -> np.ndarray:
        """Pixels of an image of the `train` or `test` set, uint8 (height, width, 3), upright.

        Raises UnreadableImageError if it cannot be decoded.
        """
        if self._inputs.is_away(split):
            raise UnreadableImageError("its set was in memory, and is not given now", transient=True)
        return self._inputs.dataset(split).read(image_id)

    @property
    def trained_on(self) -> str | None:
        """What the model was trained on: `train`, `other`, `probably other`, or None; see `study.trained_on`."""
        inputs = self._inputs
        classes = inputs.model.class_names if inputs.has_open_model else self.label_record["classes"]
        labels = self.images("train")["label"].dropna().unique()
        names = self.dataset_record("train")["class_names"]
        return trained_on(self.settings, inputs.spec("model"), inputs.spec("train"), labels, names, classes)

    # Images and objects

    def images(self, split: str) -> pd.DataFrame:
        """The images table of the `train` or `test` set."""
        return self.stored.table(steps.images, "images", split)

    def objects(self, split: str) -> pd.DataFrame:
        """The objects table of the `train` or `test` set."""
        return self.stored.table(steps.images, "objects", split)

    def skipped(self, split: str) -> pd.DataFrame:
        """The images of the `train` or `test` set that could not be opened: image_id, reason, transient."""
        return self.stored.table(steps.images, "skipped", split)

    def dataset_record(self, split: str) -> dict[str, Any]:
        """The record of the `train` or `test` set: root, layout, layout_reason, class_names, dropped_boxes, notes."""
        return self.stored.json(steps.images, "dataset.json", values.DatasetValues, split)

    def tables(self, split: str) -> Tables | None:
        """The tables of a set in the study; None if they are missing, or are of another state of the set."""
        from bias_toolkit.datasets import Note, Tables

        if not self.stored.is_current(steps.images, split):
            return None
        record = self.dataset_record(split)
        notes = [Note(**note) for note in record["notes"]]
        return Tables(self.images(split), self.objects(split), self.skipped(split), record["dropped_boxes"], notes)

    def subjects(self, split: str) -> pd.DataFrame:
        """The subject, one object per image, of each image of the `train` or `test` set that has boxes of its own.

        Columns of the objects table, and width and height of the image, all in pixels.
        """
        from bias_toolkit.objects import image_rows, position_and_scale, subject_rows

        images, objects = self.images(split), self.objects(split)
        chosen = objects.iloc[subject_rows(position_and_scale(objects, images), images)].reset_index(drop=True)
        sizes = images[["width", "height"]].iloc[image_rows(chosen, images)]
        return chosen.assign(**{name: sizes[name].to_numpy() for name in sizes})

    @property
    def skipped_images(self) -> pd.DataFrame:
        """Every image that a step has left out so far: columns split, step, image_id, reason."""
        columns = ["split", "step", "image_id", "reason"]
        tables = []
        for folder, record in self._current(lambda step, record: step.skips and record.done and record.left_out):
            task = folder.task
            if folder.damaged_file(record, task.step.skips) is None and (table := folder.left_out()) is not None:
                split = task.member if task.member in SPLITS else "test"
                tables.append(table.assign(split=split, step=task.name))
        return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)

    def left_out(self, split: str) -> set[str]:
        """The images of the `train` or `test` set that a step has left out so far."""
        skipped = self.skipped_images
        return set(skipped.loc[skipped["split"] == split, "image_id"])

    def test_image(self, image: str | os.PathLike) -> str | None:
        """The id of the test image with this id or path; None if there is none."""
        ids = self.images("test")["image_id"]
        if str(image) in set(ids):
            return str(image)
        if not Path(image).exists():
            return None
        path, test = str(Path(image).resolve()), self._inputs.test
        return next((image_id for image_id, source in zip(ids, test.sources(ids), strict=True) if source == path), None)

    # Features and distances

    def features(self, split: str) -> FeatureStore:
        """The features of the `train` or `test` set."""
        from bias_toolkit.features import FeatureStore

        return self.stored.read(steps.features, "", FeatureStore, split)

    @property
    def training_index(self) -> TrainingIndex:
        """The index of the training features."""
        from bias_toolkit.features.index import TrainingIndex

        # The index does not hold the features, but their location.
        self.stored.check(self._plan.task(steps.features, "train"))
        return self.stored.read(steps.index, "", lambda folder: TrainingIndex.load(folder, self.settings.memory))

    @property
    def index_reason(self) -> str:
        """One sentence on the type of the index, with the reason."""
        return self.stored.text(steps.index, "reason.txt")

    @property
    def training_spacing(self) -> np.ndarray:
        """The distance of each training image, or of a sample, to its nearest other training image, ascending."""
        return self.stored.read(steps.neighbours, "spacing.npy", lambda path: read_array(path, 1))

    neighbours = _table(
        steps.neighbours,
        "neighbours",
        "Each test image's nearest training images: image_id, rank, neighbour_id, distance.",
    )

    distances = _table(steps.neighbours, "distances", "Each test image's distances from the training set.")

    @property
    def search_quality(self) -> pd.DataFrame | None:
        """The quality of an approximate index against exact search on a sample of test images; None if exact."""
        return None if self.settings.index == "exact" else self.stored.table(steps.neighbours, "search_quality")

    @property
    def n_shared(self) -> int:
        """The number of test images that are the same file as a training image."""
        return self.stored.json(steps.neighbours, "shared.json", values.SharedValues)["n_shared"]

    def neighbours_of(self, image: str | os.PathLike) -> pd.DataFrame:
        """The nearest training images of one test image, given by its id or its path, with their labels, nearest first.

        Columns: image_id, rank, distance, label, neighbour_id. Raises InputError if it is no readable image of the test
        set.
        """
        image_id = self.test_image(image)
        table = self.neighbours
        rows = table[table["image_id"] == image_id]
        if rows.empty:
            example = next(iter(table["image_id"]), "images/1.jpg")
            raise InputError(
                f"{image} is no image of this study's test set; give an image_id, such as {example!r}, or the path "
                "of one."
            )
        labels = self.images("train").set_index("image_id")["label"]
        rows = rows.assign(label=labels.reindex(rows["neighbour_id"]).to_numpy())
        return rows[["image_id", "rank", "distance", "label", "neighbour_id"]].reset_index(drop=True)

    # Invariance

    @property
    def responses(self) -> pd.DataFrame:
        """The model's outputs along every sweep of the study, one row per image and sweep."""
        from bias_toolkit.invariance import load_responses

        tables = [self.stored.read(steps.responses, "", load_responses, sweep) for sweep in self.sweeps]
        return pd.concat(tables, ignore_index=True)

    @property
    def reference_responses(self) -> pd.DataFrame:
        """The model's outputs along the reference sweep, one row per image; the study must have such a sweep."""
        from bias_toolkit.invariance import load_responses

        return self.stored.read(steps.responses, "", load_responses, self.reference_sweep)

    @property
    def frames_responses(self) -> pd.DataFrame | None:
        """The model's outputs along the frames of clips, one row per image; None if the study has no such sweep."""
        from bias_toolkit.invariance import load_responses

        sweep = next((sweep for sweep in self.sweeps if sweep.is_of_frames), None)
        return None if sweep is None else self.stored.read(steps.responses, "", load_responses, sweep)

    def frame_views(self, image_id: str) -> np.ndarray:
        """The frames around a test image as the model sees them, uint8 (V, W, W, 3); raises as `sweep_views`."""
        from bias_toolkit.invariance import make_views

        sweep = next(sweep for sweep in self.sweeps if sweep.is_of_frames)
        frames = self._inputs.test.read_frames(image_id)
        return make_views(frames, sweep, self.model_record["input_size"], image_id).pixels

    def sweep_views(self, image_id: str) -> np.ndarray:
        """The views of a test image along the reference sweep, uint8 (V, W, W, 3).

        Raises UnreadableImageError if it cannot be decoded.
        """
        from bias_toolkit.invariance import make_views

        pixels = self.read_image("test", image_id)
        return make_views(pixels, self.reference_sweep, self.model_record["input_size"], image_id).pixels

    measures = _table(steps.measures, "measures", "The invariance measures, a row for each image and sweep.")

    @property
    def sequential(self) -> pd.DataFrame:
        """The state of each sweep that stopped at the study's `precision`, one row per sweep; empty without one.

        Columns protocol, transform, size, measure, value, low, high, precision, n (images measured), n_skipped (images
        that could not be decoded) and n_images (of the test set).
        """
        from bias_toolkit.invariance import SEQUENTIAL

        if self.settings.precision is None:
            return empty_table(SEQUENTIAL)
        return self.stored.table(steps.measures, "sequential")

    @property
    def noise_floor(self) -> dict[str, Any]:
        """`p_top1_change` between two evaluations of the same view of each image, with its interval and counts."""
        return self.stored.json(steps.noise, "noise.json", values.NoiseValues)

    @property
    def label_record(self) -> dict[str, Any]:
        """How the test set's labels were matched with the model's classes: indices, sentence, classes."""
        record = {"classes": None} | self.stored.json(steps.measures, "labels.json", values.LabelValues)
        # Studies of earlier versions lack the names; to open another model may need the network, or run code.
        if record["classes"] is None and (self._inputs.has_open_model or self._inputs.spec("model") in NAMED_MODELS):
            record["classes"] = self._inputs.model.class_names
        return record

    @property
    def runtime_reason(self) -> str:
        """One sentence on the runtime of the model in the first sweep, with the reason."""
        return self.stored.text(steps.responses, steps.RUNTIME, self.sweeps[0])

    # Framing

    def boxes_record(self, split: str) -> dict[str, Any]:
        """The origin of the boxes from which the framing of the `train` or `test` set is computed.

        `estimated` says whether the boxes are estimated. If so, `layer`, `is_exact` and `threshold` describe the
        method. If not, `reason` is a sentence on why a set without boxes got none.
        """
        return self.stored.json(steps.objects, steps.BOXES, values.BoxesValues)[split]

    def is_estimated(self, split: str) -> bool:
        """Whether the model located the boxes from which the framing of the `train` or `test` set is computed."""
        return bool(self.boxes_record(split)["estimated"])

    def framing(self, split: str) -> pd.DataFrame:
        """Position and scale of every object of the `train` or `test` set, and whether its box is estimated."""
        return self.stored.table(steps.objects, f"{split}-framing").assign(estimated=self.is_estimated(split))

    def given_framing(self, split: str) -> pd.DataFrame:
        """Position and scale of the objects of the `train` or `test` set, from the boxes of the dataset itself."""
        from bias_toolkit.objects import position_and_scale

        if not self.is_estimated(split):
            return self.framing(split)
        return position_and_scale(self.objects(split), self.images(split))

    def framing_summary(self, split: str) -> pd.DataFrame:
        """Position and scale of the `train` or `test` set and of its categories against chance."""
        return self.stored.table(steps.objects, f"{split}-summary").assign(estimated=self.is_estimated(split))

    subjects_framing = _table(
        steps.objects,
        "test-subjects",
        "The framing of the object that each test image is about, and how unusual it is: table SUBJECTS.",
    )

    @property
    def framing_comparison(self) -> FramingComparison | None:
        """How the test set's framing differs from the training set's; None if too few images of one have boxes."""
        from bias_toolkit.objects import FramingComparison, TwoSampleTest

        if not self.stored.has(steps.objects, steps.TWO_SAMPLE):
            return None
        test = TwoSampleTest(**self.stored.json(steps.objects, steps.TWO_SAMPLE, values.TwoSampleValues))
        return FramingComparison(self.stored.table(steps.objects, "comparison"), test)

    def framing_ranking(self, split: str, column: str = "centre_bias") -> pd.DataFrame:
        """The categories of the `train` or `test` set by one estimate of `framing_summary`, with intervals of ranks."""
        from bias_toolkit.objects import rank_categories

        return rank_categories(self.framing_summary(split), column, self.settings.seed)

    def located(self, split: str) -> pd.DataFrame:
        """The box and the score of the object that the model located in each image of the `train` or `test` set."""
        from bias_toolkit.objects.locate import load_located

        return self.stored.read(steps.located, "", load_located, split)

    @property
    def localisation(self) -> tuple[str, pd.DataFrame] | None:
        """The set whose own boxes estimated boxes are compared with, `train` or `test`, and the table of their quality.

        None if the quality was not measured.
        """
        if not self.stored.is_current(steps.localisation):
            return None
        split = self.stored.json(steps.localisation, "localisation.json", values.LocalisationValues)["split"]
        return split, self.stored.table(steps.localisation, "localisation")

    def mean_images(self, split: str) -> MeanImages | None:
        """The mean image of the `train` or `test` set, and of each of its classes; None with `figures="first"`."""
        from bias_toolkit.objects import MeanImages

        if split not in self._inputs.pictured_splits:
            return None
        return self.stored.read(steps.mean_images, "", MeanImages.load, split)

    # Relations

    @property
    def per_image(self) -> pd.DataFrame:
        """One row per test image: label, size, measures of the reference sweep, distances, its subject's framing."""
        return self.stored.table(steps.analysis, "per_image").assign(estimated=self.is_estimated("test"))

    @property
    def analysis(self) -> Analysis:
        """Correlations, curves, summary, classes, and the regression."""
        from bias_toolkit.analysis import Analysis

        return Analysis(*(self.stored.table(steps.analysis, name) for name in steps.ANALYSIS_TABLES))

    # Interventions on position, scale and size

    def has(self, step_name: str) -> bool:
        """Whether an optional step of a report was done with the present inputs and settings.

        `step_name` is that of a step without members, such as `map/relation` or `sizes/curve`.
        """
        return self.stored.is_current(self._optional(step_name).step)

    def _optional(self, step_name: str) -> Task:
        return self._plan.task(next(step for step in self._plan.steps if step.name == step_name))

    @property
    def framed(self) -> pd.DataFrame:
        """The measures of each image in each cell of the framing map, table FRAMED."""
        from bias_toolkit.invariance import load_grid

        shown = self._inputs.shown_surroundings
        return pd.concat([self.stored.read(steps.framed, "", load_grid, name) for name in shown], ignore_index=True)

    @property
    def framing_map(self) -> FramingMap:
        """The measures in each cell of the framing map, and their relation to the training density."""
        from bias_toolkit.analysis import FramingMap

        return FramingMap(*(self.stored.table(steps.framing_map, name) for name in steps.MAP_TABLES))

    def map_views(self) -> dict[str, list[tuple[float, np.ndarray]]]:
        """Views of one image of the framing map, with its object in the middle, at each scale.

        The image is the one whose object has the most usual scale, nearest to the median of all. Returns a mapping from
        surroundings to (scale, uint8 pixels (W, W, 3)) pairs.
        """
        from bias_toolkit.datasets import BOX_EDGES
        from bias_toolkit.invariance import framing_views
        from bias_toolkit.objects import typical_image

        inputs, subjects = self._inputs, self.subjects("test").set_index("image_id")
        image_id = typical_image(subjects, sorted(self.framed["image_id"].unique()))
        return framing_views(
            inputs.test.read(image_id),
            subjects.loc[image_id, BOX_EDGES].tolist() if image_id in subjects.index else None,
            sorted(inputs.framing_grid.scales),
            inputs.shown_surroundings,
            self.model_record["input_size"],
        )

    @property
    def remedied(self) -> pd.DataFrame:
        """The measures of every remedy's predictions, one row per image and remedy: table REMEDIED."""
        from bias_toolkit.invariance import load_remedied

        runs = self._inputs.remedy_runs
        tables = [self.stored.read(steps.remedied, "", load_remedied, run) for run in runs]
        return pd.concat(tables, ignore_index=True)

    remedy_effects = _table(steps.remedies, "effects", "Each remedy against the untouched model: table REMEDY_EFFECTS.")
    remedy_tenths = _table(steps.remedies, "tenths", "The same by distance from the training set: REMEDY_TENTHS.")

    @property
    def copies(self) -> np.ndarray:
        """The features of random copies of training images, image after image: (images × copies, dimension)."""
        import numpy as np

        def read(folder: Path) -> np.ndarray:
            return np.concatenate([read_array(path, 2) for path in sorted(folder.glob("features-*.npy"))])

        return self.stored.read(steps.copies, "", read)

    reach = _table(steps.reach, "reach", "How near random copies of the training images come: table REACH.")

    @property
    def reach_needed(self) -> dict[str, Any]:
        """How many copies a power law says are needed: target, n_training, fit, copies (value, low, high)."""
        return self.stored.json(steps.reach, "needed.json", values.ReachValues)

    flag_images = _table(steps.flag, "images", "The scores of each test image that the flag uses, FLAG_IMAGES.")
    flag_evaluation = _table(steps.flag, "evaluation", "How well each score finds unstable images: FLAG_EVALUATION.")
    flag_calibration = _table(steps.flag, "calibration", "Predicted and observed changes, by bins: FLAG_CALIBRATION.")

    @property
    def flag_values(self) -> dict[str, Any]:
        """The flag for new images as data: what is shipped, its regressions and its thresholds (`FlagValues`)."""
        return self.stored.json(steps.flag, "flag.json", values.FlagValues)

    @property
    def flag_classes(self) -> np.ndarray:
        """The model's class of each training image in the index, -1 if it has none: int64 (rows,)."""
        return self.stored.read(steps.flag, "classes.npy", lambda path: read_array(path, 1))

    size_curve = _table(steps.size_curve, "summary", "The measures over the view size, table SUMMARY.")

    size_measures = _table(
        steps.size_curve, "measures", "The measures of each image at each view size of the curve, table MEASURES."
    )

    # Layers

    @property
    def layers(self) -> pd.DataFrame:
        """The measures of each operation that subsamples, for each image and condition, table LAYERS."""
        from bias_toolkit.invariance import load_layers

        return self.stored.read(steps.layers, "", load_layers)

    layer_operations = _table(
        steps.layers, "operations", "The operations that subsample, and those that cannot be measured: OPERATIONS."
    )

    @property
    def layer_analysis(self) -> LayerAnalysis:
        """The measures of the operations over images: their means, contrasts and correlations."""
        from bias_toolkit.analysis import LayerAnalysis

        return LayerAnalysis(*(self.stored.table(steps.layer_analysis, name) for name in steps.LAYER_TABLES))

    def most_moved(self, image_id: str) -> MostMoved | None:
        """The layer that moves most on a test image, compared with others; None if it was not measured on it."""
        from bias_toolkit.analysis import most_moved

        return most_moved(self.layers, image_id) if self.has("layers/analysis") else None

    layer_maps = _table(
        steps.layer_analysis, "maps", "Maps of one image before and after operations subsample: table LAYER_MAPS."
    )

    # Explanations and the report

    @property
    def explanations(self) -> dict[str, Explanation]:
        """The explanations of test images for the present inputs and settings, by image_id."""
        return {image_id: self.explanation(task.member) for image_id, task in self._explained().items()}

    def explanation(self, request: Request) -> Explanation:
        """The explanation of one image."""
        from bias_toolkit.explain import load_explanation

        return self.stored.read(steps.explanation, "", load_explanation, request)

    def _explained(self) -> dict[str, Task]:
        """The tasks of the explanations of test images that are current, by image_id."""
        current = (task for task, _ in self._explanations() if self.stored.is_current(task.step, task.member))
        return {task.member.image_id: task for task in current}

    def _explanations(self) -> Iterator[tuple[Task, StepRecord]]:
        """The task of each explanation for the present inputs and settings, with the record in its folder."""
        folders = sorted((self.folder / steps.EXPLANATIONS).glob("*/"))
        if not folders:
            return
        from bias_toolkit.explain.request import Request

        for folder in folders:
            record = read_record(folder)
            if record is None and (folder / "explanation.json").exists():
                raise InputError(
                    f"{folder / RECORD} is missing or damaged, so it is not known what the explanation is of; run "
                    "`bias-toolkit explain` on its image again, or remove the folder."
                )
            member = record.settings.get("member") if record is not None else None
            image_id = member.get("image") if isinstance(member, dict) else None
            if not isinstance(image_id, str):
                continue
            yield self._plan.task(steps.explanation, Request(image_id)), record

    def shown_in_report(self, optional: Sequence[str]) -> steps.Shown:
        """The additional content of a report: current explanations, and the current steps among `optional` names."""
        parts = [self._optional(name) for name in optional]
        for task in parts:
            self.stored.refuse_lost(task)
        current = [
            task for task in (*parts, *self._explained().values()) if self.stored.is_current(task.step, task.member)
        ]
        return steps.Shown(tuple((task.name, task.key) for task in current))

    @property
    def outdated(self) -> frozenset[str]:
        """The commands whose optional results were made with other inputs, settings or version, so are not shown."""
        from bias_toolkit.report import OPTIONAL

        parts = [self._optional(name) for name in OPTIONAL]
        made = [(task, StepFolder(self.folder, task).record) for task in parts]
        made += self._explanations()
        return frozenset(
            task.step.command for task, record in made if record is not None and record.key not in (task.key, CLEARED)
        )

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time of each step in seconds, summed over its runs.

        Work of which nothing is shown, as the optional step that needs it is outdated or unfinished, is left out.
        """
        from bias_toolkit.report import OPTIONAL

        optional = [self._optional(name) for name in OPTIONAL]
        tasks = [self._plan.task(step, member) for step in steps.ANALYSED for member in step.members(self._inputs)]
        used = self._plan.in_order([*tasks, *filter(self._is_current, optional)])
        unused = {task.name for task in self._plan.in_order(optional)} - {task.name for task in used}
        records = {folder.task.name: record for folder, record in self._current()}
        return {name: record.seconds for name, record in records.items() if name not in unused}

    def _is_current(self, task: Task) -> bool:
        """Whether a task is done with the present inputs and settings; not if its key is not known."""
        with suppress(InputError):
            return self.stored.is_current(task.step, task.member)
        return False

    def _current(
        self, is_wanted: Callable[[Step, StepRecord], Any] = lambda step, record: True
    ) -> Iterator[tuple[StepFolder, StepRecord]]:
        """The folders of work with the present inputs and settings, with their records.

        A task whose key is not known, because a result that decides it is damaged, is left out. `is_wanted` says of a
        record, whatever its key, whether it is asked for: to compute a key takes longer than to read a record.
        """
        for task in self._plan.all():
            # Most tasks of a study have no folder, and to check where one leads takes longer than to find none.
            if not os.path.lexists(self.folder / task.name / RECORD):
                continue
            folder = StepFolder(self.folder, task)
            record = folder.record
            if record is None or not is_wanted(task.step, record):
                continue
            with suppress(InputError):
                if record.key == task.key:
                    yield folder, record

    def answers(self) -> list[dict[str, Any]]:
        """The report's answers to its three questions: topic, kind, claim, evidence, estimate, figure."""
        return self._report()["answers"]

    def findings(self) -> pd.DataFrame:
        """The findings: columns topic, kind, claim, evidence, estimate, figure.

        A topic's most important finding comes first. An estimate is a dictionary, or None.
        """
        return pd.DataFrame(self._report()["findings"])

    def _report(self) -> dict[str, Any]:
        from bias_toolkit.report import OPTIONAL

        return self.stored.json(steps.report, "results.json", values.ReportValues, self.shown_in_report(OPTIONAL))
