"""A study: one training set, one test set, one model, and all that was computed from them, in one folder."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_table, write_text
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.study.explain import StudyExplanations
from bias_toolkit.study.index import write_index, write_neighbours
from bias_toolkit.study.maps import StudyMaps
from bias_toolkit.study.objects import StudyObjects
from bias_toolkit.study.per_image import join_per_image, per_image_schema
from bias_toolkit.study.plan import SPLITS, Plan
from bias_toolkit.study.record import (
    RECORD,
    describe_model,
    holds_other_files,
    package_versions,
    read_record,
    write_record,
)
from bias_toolkit.study.results import ANALYSIS_TABLES
from bias_toolkit.study.run import StudyRun, one_run
from bias_toolkit.study.settings import Settings
from bias_toolkit.study.sweeps import sweep_reader, write_measures, write_responses

if TYPE_CHECKING:
    from bias_toolkit.datasets import Dataset
    from bias_toolkit.invariance import Sweep
    from bias_toolkit.models import LabelMatch, Model


GO_WITH = {
    "train": ("train_layout",),
    "test": ("test_layout", "label_map", "imagenet_x"),
    "model": ("weights", "feature"),
}
"""Settings that belong to an input, and are forgotten when it is named anew."""


class Study(StudyExplanations, StudyObjects, StudyMaps, StudyRun):
    """Opens a study, or makes one, and computes what it lacks.

    Every step does what it needs first, keeps what was computed under the same settings, and goes on where an
    interrupted run stopped. Tables come back as DataFrames.

    Parameters
    ----------
    folder : path
        The study's folder; made by the first step where it does not exist.
    train, test : str, path or Dataset, optional
        The two datasets; for a study that exists, those it was made with by default.
    model : str or Model, optional
        What `load_model` takes, or a model; likewise.
    **settings
        Fields of `Settings`; those not given keep the study's present value, but for the layout that goes with a
        dataset, label map and ImageNet-X with the test set, and weights and feature with the model, where that is named
        anew.

    Raises
    ------
    InputError
        If a setting is out of range or unknown, the folder holds something else than a study, or its study.json
        cannot be read.

    Examples
    --------
    >>> study = Study("study", "photos/train", "photos/val", "efficientnet-lite0").run()
    >>> study.per_image.sort_values("p_top1_change").tail()
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        train: str | os.PathLike | Dataset | None = None,
        test: str | os.PathLike | Dataset | None = None,
        model: str | Model | None = None,
        **settings: Any,
    ):
        from bias_toolkit.datasets.file_names import check_path

        self.folder = Path(folder)
        check_path(self.folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is a file; name a folder for the study.")
        try:
            self._recorded = read_record(self.folder)
        except InputError as error:
            if None in (train, test, model):
                raise
            logging.getLogger("bias_toolkit").warning("%s", error)
            self._recorded = {}
        if not self._recorded and train is None and test is None and model is None:
            raise InputError(
                f"{self.folder} holds no study (no {RECORD}); name a study's folder, or make one here with "
                "`bias-toolkit report` and --train, --test and --model."
            )
        if not self._recorded and holds_other_files(self.folder):
            raise InputError(
                f"{self.folder} is not empty and holds no study (no {RECORD}); name a new folder for the study."
            )
        self._plan = Plan(self)
        self._given = {"train": train, "test": test, "model": model}
        kept = dict(self._recorded.get("settings", {}))
        for name, given in self._given.items():
            if given is not None:
                kept = {key: value for key, value in kept.items() if key not in GO_WITH[name]}
        for name in ("weights", "label_map", "imagenet_x"):
            if settings.get(name) is not None:
                settings[name] = os.path.abspath(settings[name])
        self.settings = Settings.from_dict(kept).replace(settings)
        if settings.get("imagenet_x") is not None:
            from bias_toolkit.datasets import imagenet_x_stamp

            imagenet_x_stamp(settings["imagenet_x"])
        # Settings that make no sweep or map are refused now, before anything is computed or recorded.
        _ = self.sweeps, self.framing_grid, self.chosen_surroundings

    # What is studied

    @cached_property
    def train(self) -> Dataset:
        """The training set."""
        return self._load_dataset("train", self.settings.train_layout)

    @cached_property
    def test(self) -> Dataset:
        """The test set."""
        return self._load_dataset("test", self.settings.test_layout)

    @cached_property
    def model(self) -> Model:
        """The classifier."""
        from bias_toolkit.models import Model, load_model

        given = self._given["model"]
        if isinstance(given, Model):
            return given
        settings = self.settings
        return load_model(
            self._required("model"),
            weights=settings.weights,
            feature=settings.feature,
            device=settings.device,
            runtime=settings.runtime,
            batch_size=settings.batch_size,
        )

    @cached_property
    def label_match(self) -> LabelMatch:
        """How the test set's labels were matched with the model's classes."""
        from bias_toolkit.models import match_labels

        labels = sorted(self.test.images["label"].dropna().unique())
        return match_labels(labels, self.model, self.test.class_names, self.settings.label_map)

    @cached_property
    def sweeps(self) -> list[Sweep]:
        """The sweeps of this study."""
        from bias_toolkit.invariance import expand_sweeps

        settings = self.settings
        return expand_sweeps(
            settings.protocols,
            settings.transforms,
            settings.sizes,
            fill=settings.fill,
            sampling=settings.sampling,
            draws=settings.draws,
            seed=settings.seed,
        )

    @property
    def reference_sweep(self) -> Sweep | None:
        """The sweep that distances and framing are related to: the first that moves by steps."""
        return next((sweep for sweep in self.sweeps if sweep.protocol != "offsets"), None)

    @property
    def noise_sweep(self) -> Sweep:
        """The sweep whose views measure the numerical noise floor."""
        return self.reference_sweep or self.sweeps[0]

    # The steps

    def run(self, progress: Progress = silent) -> Study:
        """Every step, from the images to the report."""
        return self.write_report(progress)

    @one_run
    def read_images(self, progress: Progress = silent) -> Study:
        """The images and objects tables of both datasets."""
        for split in SPLITS:
            self._scanned(split, progress)
        return self

    @one_run
    def embed(self, progress: Progress = silent) -> Study:
        """The features of both datasets: of the centre view of the crop of size `feature_size`."""
        from bias_toolkit.features import extract_features
        from bias_toolkit.invariance import centre_reduction, centre_view

        for name in self._given:
            self._required(name)
        self._check_sweeps()

        side, size = self.model.input_size, self.settings.feature_size
        reduction = centre_reduction(side, size)
        for split in SPLITS:
            dataset = self._scanned(split, progress)

            def work(folder: Path, dataset: Dataset = dataset) -> None:
                extract_features(
                    self.model,
                    lambda image_id: dataset.read_reduced(image_id, reduction),
                    lambda image, _: (centre_view(image, side, size).pixels[0], None),
                    dataset.images["image_id"].tolist(),
                    folder,
                    dtype=self.settings.feature_dtype,
                    precision=self.settings.feature_precision,
                    batch_size=self.model.batch_size,
                    progress=progress,
                )

            self._do(self._plan.features(split), work)
        return self

    @one_run
    def build_index(self, progress: Progress = silent) -> Study:
        """The index of the training features, each test image's nearest training images, and the distances."""
        from bias_toolkit.features.index import check_index

        # What Faiss does not understand is refused before it is recorded, and all else before images are embedded.
        wanted, dimension, metric = self.settings.index, self.model.feature_dimension, self.settings.metric
        check_index(wanted, dimension, metric=metric)
        self._check_sweeps()
        check_index(wanted, dimension, len(self._scanned("train", progress).images), metric)
        self.embed(progress)

        def index(folder: Path) -> None:
            write_index(self, folder, progress)

        def search(folder: Path) -> None:
            write_neighbours(self, folder, self._twins(self.features("test").image_ids), progress)

        self._do(self._plan.index, index)
        self._do(self._plan.neighbours, search)
        return self

    @one_run
    def sweep(self, progress: Progress = silent) -> Study:
        """The responses along every sweep, the measures, and the numerical noise floor."""
        from bias_toolkit.invariance import noise_floor

        self._check_sweeps()
        test = self._scanned("test", progress)
        label_indices = self._label_indices()

        for sweep in self.sweeps:

            def respond(folder: Path, sweep: Sweep = sweep) -> None:
                write_responses(self, sweep, folder, label_indices, progress)

            self._do(self._plan.responses(sweep), respond)

        def measure(folder: Path) -> None:
            folders = [self._existing(f"responses/{sweep.name}", "sweep") for sweep in self.sweeps]
            write_measures(self, folders, folder)

        def evaluate_twice(folder: Path) -> None:
            floor = noise_floor(
                self.model,
                sweep_reader(self, self.noise_sweep),
                test.images["image_id"].tolist(),
                self.noise_sweep,
                batch_size=self.model.batch_size,
                n_images=self.settings.noise_images,
                seed=self.settings.seed,
                progress=progress,
            )
            write_text(json.dumps(dataclasses.asdict(floor)), folder / "noise.json")

        self._do(self._plan.measures, measure)
        self._do(self._plan.noise, evaluate_twice)
        return self

    @one_run
    def analyse(self, progress: Progress = silent) -> Study:
        """Distance and framing against invariance."""
        from bias_toolkit.analysis import analyse, schema
        from bias_toolkit.datasets import imagenet_x_factors

        self.build_index(progress)
        self.sweep(progress)
        self.measure_objects(progress)

        def relate(folder: Path) -> None:
            settings = self.settings
            subjects = self._table("objects/test-subjects.parquet", "objects")
            per_image = join_per_image(
                self.images("test"), self.measures, self.reference_sweep, self.distances, subjects
            )
            analysis = analyse(
                per_image,
                self.measures,
                factors=imagenet_x_factors(per_image["image_id"], self.test.layout, settings.imagenet_x),
                bins=settings.bins,
                resamples=settings.resamples,
                permutations=settings.permutations,
                seed=settings.seed,
                progress=progress,
            )
            for name in ANALYSIS_TABLES:
                write_table(getattr(analysis, name), folder / f"{name}.parquet", getattr(schema, name.upper()))
            write_table(per_image, folder / "per_image.parquet", per_image_schema())

        self._do(self._plan.analysis, relate)
        return self

    @one_run
    def write_report(self, progress: Progress = silent) -> Study:
        """The page, its figures and tables, in the folder `report` of the study."""
        from bias_toolkit.report import write_report
        from bias_toolkit.report.page.publish import claim

        self.analyse(progress)

        def write(folder: Path) -> None:
            claim(folder)
            write_report(self, folder, progress)

        self._do(self._plan.report, write)
        return self

    # Inside

    def _spec(self, name: str) -> str | None:
        """How an input is named in study.json: a path or a model's name."""
        given = self._given[name]
        if given is None:
            return self._recorded.get(name, {}).get("spec")
        if isinstance(given, str | os.PathLike):
            given = os.fspath(given)
            return os.path.abspath(given) if name != "model" and os.path.exists(given) else given
        return given.name if name == "model" else given.root

    def _required(self, name: str) -> str:
        spec = self._spec(name)
        if spec is None:
            raise InputError(f"{self.folder} does not say which {name} it is about; name it with --{name}.")
        return spec

    def _load_dataset(self, split: str, layout: str | None) -> Dataset:
        from bias_toolkit.datasets import Dataset, load_dataset

        given = self._given[split]
        dataset = given if isinstance(given, Dataset) else load_dataset(self._required(split), layout)
        root, study = Path(dataset.root).resolve(), self.folder.resolve()
        if root.is_dir() and (study.is_relative_to(root) or root.is_relative_to(study)):
            raise InputError(
                f"The study's folder {self.folder} and the dataset {dataset.root} lie one inside the other, so the "
                "study's files would be read as the dataset's; name a folder elsewhere for the study."
            )
        return dataset

    def _check_sweeps(self) -> None:
        """Refuse a size at which the model would see nothing, before anything is computed or recorded."""
        from bias_toolkit.invariance import make_views

        side = self.model.input_size
        for sweep in self.sweeps:
            make_views(np.zeros((side, side, 3), np.uint8), sweep, side, "")

    def _scanned(self, split: str, progress: Progress) -> Dataset:
        """The dataset with its tables, scanned now or by an earlier run."""
        from bias_toolkit.datasets import IMAGES, OBJECTS, SKIPPED, Tables

        dataset = getattr(self, split)
        schemas = {"images": IMAGES, "objects": OBJECTS, "skipped": SKIPPED}

        def scan(folder: Path) -> None:
            tables = dataset.scan(progress)
            for name, schema in schemas.items():
                write_table(getattr(tables, name), folder / f"{name}.parquet", schema)
            record = {
                "root": dataset.root,
                "layout": dataset.layout,
                "layout_reason": dataset.layout_reason,
                "class_names": dict(dataset.class_names),
                "dropped_boxes": tables.dropped_boxes,
            }
            write_text(json.dumps(record, ensure_ascii=False), folder / "dataset.json")

        self._do(self._plan.images(split), scan)
        if split not in self._restored:
            tables = {name: self._table(f"images/{split}/{name}.parquet", "report") for name in schemas}
            dataset.restore(Tables(**tables, dropped_boxes=self.dataset_record(split)["dropped_boxes"]))
            self._restored.add(split)
        return dataset

    @cached_property
    def _restored(self) -> set[str]:
        return set()

    def _label_indices(self) -> dict[str, int]:
        """The model's class of each test image whose label is matched."""
        images, indices = self.test.images, self.label_match.indices
        return {
            image_id: indices[label]
            for image_id, label in zip(images["image_id"], images["label"], strict=True)
            if label in indices
        }

    def _twins(self, test_ids: Iterable[str]) -> list[str | None]:
        """For each test image the training image that is the very same file, None where there is none."""
        sources = {self.train.source(image_id): image_id for image_id in self.train.images["image_id"]}
        return [sources.get(self.test.source(image_id)) for image_id in test_ids]

    def _write_record(self, computing: bool) -> None:
        """Write study.json if it does not say yet what this study is now, and by which versions it is computed."""
        record: dict[str, Any] = {"settings": self.settings.to_dict()}
        for split in SPLITS:
            if self._spec(split) is not None:
                dataset = getattr(self, split)
                record[split] = {
                    "spec": self._spec(split),
                    "layout": dataset.layout,
                    "fingerprint": dataset.fingerprint,
                }
        if "model" in self.__dict__:
            record["model"] = {"spec": self._spec("model"), **describe_model(self.model)}
        elif self._spec("model") is not None:
            same = self._recorded.get("model", {}).get("spec") == self._spec("model")
            record["model"] = self._recorded["model"] if same else {"spec": self._spec("model")}
        record["versions"] = self._recorded.get("versions")
        if computing or record["versions"] is None:
            record["versions"] = package_versions()
        if record != self._recorded:
            write_record(self.folder, record)
            self._recorded = record
