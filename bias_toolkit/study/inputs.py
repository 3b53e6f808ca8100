"""The inputs of a study: two datasets, a model, and the values derived from the settings. Opened at first use."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_toolkit.foundation.choices import ALL_FIGURES
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress, named, silent
from bias_toolkit.models.specs import names_code
from bias_toolkit.study.identities import EXTRA_FILES, Identities, Named, refuse_system_place, resolved
from bias_toolkit.study.record import DatasetRecord, MapsRecord, ModelIdentity, ModelRecord, StudyRecord
from bias_toolkit.study.settings import LONGEST_TEXT, SPLITS, Settings

if TYPE_CHECKING:
    from bias_toolkit.datasets import Dataset, Tables
    from bias_toolkit.invariance import FramingGrid, RemedyRun, Sweep
    from bias_toolkit.models import LabelMatch, Model
    from bias_toolkit.models.activation_map import ActivationMap

WORDS = {"train": "training set", "test": "test set", "model": "model"}


class Inputs:
    """The inputs of a study, opened at first use, and their identities; `recorded` is what the study's record has."""

    def __init__(self, folder: Path, named: Named, settings: Settings, recorded: StudyRecord) -> None:
        self.folder = folder
        self.named = named
        self.settings = settings
        self._identities = Identities(named, settings, recorded)
        self.tables: Callable[[str], Tables | None] = lambda split: None
        """Gives the tables of a split that the study has stored."""
        self.progress: Progress = silent
        """Of opening an input, which may take long."""
        self.opening_model: Callable[[], None] = lambda: None
        """Called before the model is opened."""

    # Datasets and model

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the two sets."""
        return SPLITS

    @property
    def train(self) -> Dataset:
        """The training set."""
        return self.dataset("train")

    @property
    def test(self) -> Dataset:
        """The test set."""
        return self.dataset("test")

    def dataset(self, split: str) -> Dataset:
        """The `train` or `test` set, with the tables that the study has stored of it."""
        dataset = self.opened(split)
        if not dataset.is_scanned and (tables := self.tables(split)) is not None:
            try:
                dataset.restore(tables)
            except InputError as error:
                folder = self.folder / "images" / split
                raise InputError(f"{folder}: {error}; remove that folder, and run again.") from error
        return dataset

    def sampled(self, folder: Path, settings: Settings) -> Inputs:
        """The inputs of a study, in `folder`, of samples of these sets; their identities follow from these inputs'."""
        sample = Inputs(folder, self.named, settings, self.recorded)
        for split in SPLITS:
            dataset = self.opened(split).sampled(getattr(settings, f"{split}_sample"), settings.seed)
            sample._identities.learn(split, _identity_of_set(dataset))
        for name in ("model", *EXTRA_FILES):
            sample._identities.learn(name, self.identity(name))
        return sample

    @property
    def pictured_splits(self) -> tuple[str, ...]:
        """The sets of which the report shows mean images: both, or none if it draws the first figures only."""
        return SPLITS if self.settings.figures == ALL_FIGURES else ()

    def is_away(self, split: str) -> bool:
        """Whether the `train` or `test` set was in memory when it was read, and is not given now."""
        from bias_toolkit.datasets import is_held

        return getattr(self.named, split) is None and is_held(self.spec(split) or "")

    def opened(self, split: str) -> Dataset:
        """The `train` or `test` set as it was opened: its tables are read from its images and annotations."""
        return self._train if split == "train" else self._test

    @cached_property
    def _train(self) -> Dataset:
        return self._open_dataset("train")

    @cached_property
    def _test(self) -> Dataset:
        return self._open_dataset("test")

    def _open_dataset(self, split: str) -> Dataset:
        from bias_toolkit.datasets import Dataset, dataset_away, load_dataset

        if (
            self.is_away(split)
            and self._identities.of(split) is not None
            and (tables := self.tables(split)) is not None
        ):
            return dataset_away(self.spec(split), tables)
        given = getattr(self.named, split)
        layout, images = (getattr(self.settings, f"{split}_{what}") for what in ("layout", "folder"))
        place = given.root if isinstance(given, Dataset) else self.required(split)
        # Check this before listing the files: a whole file system would take too long.
        root, study = resolved(place), resolved(self.folder)
        if root.is_dir() and (study.is_relative_to(root) or root.is_relative_to(study)):
            raise InputError(
                f"The study's folder {self.folder} and the dataset {place} lie one inside the other, so the study's "
                "files would be read as the dataset's; name a folder elsewhere for the study."
            )
        if given is None:
            refuse_system_place(place, f"--{split}")
            self._identities.refuse_system_place_of(f"{split}_folder")
        with self.progress(f"Listing the {WORDS[split]}", None):
            dataset = given if isinstance(given, Dataset) else load_dataset(place, layout, images)
            if self.settings.deep_grey is not None:
                dataset = dataset.scaled(self.settings.deep_grey)
            dataset.prepare(named(self.progress, after=WORDS[split]))
            if (n := getattr(self.settings, f"{split}_sample")) is not None:
                dataset = dataset.sampled(n, self.settings.seed)
            self._identities.learn(split, _identity_of_set(dataset))
        return dataset

    @cached_property
    def model(self) -> Model:
        """The classifier; InputError if it cannot be loaded, or is a factory that only the study's record names."""
        self.opening_model()
        with self.progress("Opening the model", None):
            model = self._open_model()
            self._identities.learn("model", self._identity_of(model).values)
        return model

    def take_model(self, model: Model) -> None:
        """Use a model that is open already, of the same name and settings, in place of opening it."""
        self.model = model
        self._identities.learn("model", self._identity_of(model).values)

    def _open_model(self) -> Model:
        from bias_toolkit.models import Model, load_model

        given, settings = self.named.model, self.settings
        if given is None:
            self._identities.refuse_system_place_of("weights")
        if isinstance(given, Model):
            return given
        if given is not None and not isinstance(given, str):
            return load_model(
                given,
                weights=settings.weights,
                weights_key=settings.weights_key,
                outputs=settings.outputs,
                feature=settings.feature,
                device=settings.device,
                runtime=settings.runtime,
                batch_size=settings.batch_size,
            )
        spec = self.required("model")
        if given is None and self.recorded.model is not None and self.recorded.model.in_memory:
            raise InputError(
                f"The model {spec} of {self.folder} was given in Python, from memory, so its name does not open it: "
                "give the same model again with Study(folder, model=…), or another one with --model."
            )
        if names_code(spec) and given is None and not self.named.trusts_study:
            raise InputError(
                f"The record of {self.folder} names the model {spec}, which is code that would be run. Name it by "
                f"--model {spec} if you trust it, or give --trust-study."
            )
        return load_model(
            spec,
            weights=settings.weights,
            weights_key=settings.weights_key,
            outputs=settings.outputs,
            feature=settings.feature,
            device=settings.device,
            runtime=settings.runtime,
            batch_size=settings.batch_size,
            search_current_folder=given is not None,
        )

    @cached_property
    def _is_model_ready(self) -> bool:
        """True once the model is known to be deterministic; InputError if it is not."""
        model = self.model
        with self.progress("Trying the model", None):
            model.check_deterministic()
        return True

    @property
    def has_open_model(self) -> bool:
        """Whether the model was opened."""
        return "model" in self.__dict__

    @staticmethod
    def _identity_of(model: Model) -> ModelIdentity:
        classes = json.dumps([model.class_names, model.class_ids])
        return ModelIdentity(
            name=model.name,
            weights_sha256=model.weights_sha256,
            code_sha256=model.code_sha256,
            classes_sha256=hashlib.sha256(classes.encode()).hexdigest(),
            input_size=model.input_size,
            preprocessing=json.loads(json.dumps(dataclasses.asdict(model.preprocessing))),
            feature_layer=model.feature_layer,
            outputs=model.reading.identity,
        )

    # Identities

    @property
    def recorded(self) -> StudyRecord:
        """The study's record."""
        return self._identities.recorded

    @property
    def changes(self) -> int:
        """Increases whenever an identity may have changed."""
        return self._identities.changes

    def spec(self, name: str) -> str | None:
        """How the `train` or `test` set or the `model` is named in study.json: a path, or a model's name."""
        return self._identities.spec(name)

    def required(self, name: str) -> str:
        """The same; InputError if the study does not have it."""
        self.require([name])
        return self.spec(name)

    def require(self, names: Sequence[str]) -> None:
        """Raise InputError if the study does not have all of these inputs."""
        if lacking := [name for name in names if self.spec(name) is None]:
            inputs = " and no ".join(WORDS[name] for name in lacking)
            options = " and ".join(f"--{name}" for name in lacking)
            raise InputError(f"The study {self.folder} has no {inputs}; name {options}.")

    def identity(self, name: str) -> Any:
        """The value, as JSON, that distinguishes `train`, `test`, `model`, `label_map` or `imagenet_x` in a key.

        For `noise_sweep`, it is the sweep; for `why_not_estimated`, it is the sentence if a set lacks boxes.
        """
        if name == "noise_sweep":
            return dataclasses.asdict(self.noise_sweep)
        if name == "why_not_estimated":
            lacks_boxes = self.settings.boxes == "auto" and not all(self.has_objects(split) for split in SPLITS)
            return self.why_not_estimated if lacks_boxes else None
        if (value := self._identities.of(name)) is None:
            self._look_at(name)
            value = self._identities.of(name)
        return value

    def open(self, name: str) -> None:
        """Open an input that is about to be used, so that its identity is up to date.

        Raises InputError if it cannot be opened, or is a model that gives other outputs for the same images.
        """
        self._look_at(name)
        if name == "model":
            _ = self._is_model_ready

    def _look_at(self, name: str) -> None:
        if name in SPLITS:
            self.opened(name)
        elif name == "model":
            _ = self.model
        elif name in EXTRA_FILES:
            self._identities.look_at_file(name)

    def check(self) -> None:
        """Use the identities of the available inputs instead of the recorded ones, before something is computed."""
        if self._identities.are_checked:
            return
        for name in (*SPLITS, *EXTRA_FILES):
            if name not in SPLITS or self.spec(name) is not None:
                self.open(name)
        self._identities.doubt_the_model()

    def record(self, versions: dict[str, str]) -> StudyRecord:
        """The study's record for the present inputs and settings."""
        fields: dict[str, Any] = {"settings": self.settings.to_dict(), "versions": versions}
        for split in SPLITS:
            if self.spec(split) is not None:
                fields[split] = DatasetRecord(
                    spec=self.spec(split), has_objects=self._known_objects(split), **self.identity(split)
                )
        if self.has_open_model:
            fields["model"] = ModelRecord(
                spec=self.spec("model"),
                weights=self._identities.weights_state(),
                n_classes=self.model.n_classes,
                feature_dimension=self.model.feature_dimension,
                opened=self._identity_of(self.model),
                maps=self._maps_record(),
                in_memory=self._is_in_memory,
                notes=tuple(note[:LONGEST_TEXT] for note in self.model.notes),
            )
        elif self.spec("model") is not None:
            fields["model"] = (
                self.recorded.model
                if self._identities.of("model")
                else ModelRecord(spec=self.spec("model"), in_memory=self._is_in_memory)
            )
        fields |= {name: self.identity(name) for name in EXTRA_FILES}
        return StudyRecord(**fields)

    @property
    def _is_in_memory(self) -> bool:
        """Whether the model was given as an object that its name alone does not open."""
        given = self.named.model
        if given is None:
            return self.recorded.model is not None and self.recorded.model.in_memory
        return not isinstance(given, str) and getattr(given, "spec", None) != self.spec("model")

    @property
    def model_notes(self) -> tuple[str, ...]:
        """Sentences on how the model was read, of the open model, or as recorded."""
        if self.has_open_model:
            return self.model.notes
        return () if self.recorded.model is None else self.recorded.model.notes

    def _maps_record(self) -> MapsRecord | None:
        if (maps := self.__dict__.get("_maps")) is not None:
            return MapsRecord(why_not=maps if isinstance(maps, str) else None)
        recorded = self._recorded_of_same("model")
        return None if recorded is None else recorded.maps

    def _known_objects(self, split: str) -> bool | None:
        dataset = self.__dict__.get(f"_{split}")
        if dataset is not None and dataset.is_scanned:
            return len(dataset.objects) > 0
        recorded = self._recorded_of_same(split)
        return None if recorded is None else recorded.has_objects

    def _recorded_of_same(self, name: str) -> Any:
        """The record of an input, if it is of exactly this input; None otherwise."""
        recorded = getattr(self.recorded, name)
        return recorded if recorded is not None and recorded.identity == self.identity(name) else None

    def take_record(self, recorded: StudyRecord) -> None:
        """Use what this or another run has recorded meanwhile."""
        self._identities.take_record(recorded)

    # Values derived from the settings

    @cached_property
    def sweeps(self) -> list[Sweep]:
        """The sweeps of the study."""
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
        return next((sweep for sweep in self.sweeps if sweep.moves_by_steps), None)

    @property
    def noise_sweep(self) -> Sweep:
        """The sweep whose centre view measures the numerical noise floor."""
        return self.reference_sweep or self.sweeps[0]

    @property
    def size_sweeps(self) -> list[Sweep]:
        """The sweeps of the size curve."""
        from bias_toolkit.invariance import size_curve_sweeps

        return size_curve_sweeps()

    @property
    def remedy_runs(self) -> list[RemedyRun]:
        """The model as it is, every remedy at test time and every arm of the training, along the reference sweep."""
        from bias_toolkit.invariance import REMEDIES, RemedyRun

        names = [*(remedy.name for remedy in REMEDIES), *self.training_arms]
        return [RemedyRun(name, self.reference_sweep) for name in names]

    @property
    def training_arms(self) -> tuple[str, ...]:
        """The arms of the training, by name; none if the model is not trained further."""
        if not self.settings.train_epochs:
            return ()
        from bias_toolkit.models.training.arms import ARMS

        return tuple(arm.name for arm in ARMS)

    @cached_property
    def training_classes(self) -> dict[str, int]:
        """The class of each label in the training; without a label that is a class of the model, their own order."""
        labels = sorted(self.train.images["label"].dropna().unique())
        return self.class_indices("train") or {label: number for number, label in enumerate(labels)}

    @property
    def trained_label_indices(self) -> dict[str, int]:
        """The class, in the training, of each test image whose label the training has or the model knows."""
        if not self.needs_new_head:
            return self.label_indices("test")
        images = self.test.images
        pairs = zip(images["image_id"], images["label"], strict=True)
        return {image_id: self.training_classes[label] for image_id, label in pairs if label in self.training_classes}

    @property
    def needs_new_head(self) -> bool:
        """Whether no label of the training set is a class of the model, so that its training needs a new head."""
        return not self.class_indices("train")

    def rebuildable(self, *, new_head: bool) -> str | None:
        """The model's name, if a network made from it can be built by that name and loaded; None if not.

        A demo network and a user's own factory have one number of classes only.
        """
        spec = self.spec("model")
        has_one_head = names_code(spec) or spec.startswith("demo")
        is_object = not isinstance(self.named.model, str | None) or self._is_in_memory
        return None if is_object or (new_head and has_one_head) else spec

    def check_training(self) -> None:
        """Refuse a training that was asked for and cannot be done, before anything is computed."""
        if not self.training_arms:
            return
        from bias_toolkit.models import low_pass
        from bias_toolkit.models.training.arms import FILTER_SIZE

        if self.model.reading.outputs == "independent":
            raise InputError(
                "--train-epochs trains for one class an image, but the outputs of the model are independent "
                "probabilities; leave it out, or give --outputs logits if they are logits."
            )
        if self.settings.train_rate == 0:
            raise InputError("--train-rate is 0, but must be above 0, such as 0.0001.")
        low_pass(self.model.module, FILTER_SIZE, input_size=self.model.input_size)

    def check_remedies(self) -> None:
        """Refuse a reference sweep whose steps are no shifts, before anything is computed."""
        from bias_toolkit.invariance.transforms import SHIFTS

        sweep, names = self.reference_sweep, [shift.name for shift in SHIFTS]
        if sweep is None or sweep.transform not in names:
            raise InputError(
                f"Remedies are tried on one-pixel shifts, so the first --transform has to be {' or '.join(names)}."
            )

    @property
    def framing_grid(self) -> FramingGrid:
        """The positions and scales of the framing map."""
        from bias_toolkit.invariance import FramingGrid
        from bias_toolkit.invariance.framing_grid import POSITIONS, SCALES

        return FramingGrid(self.settings.map_positions or POSITIONS, self.settings.map_scales or SCALES)

    @property
    def surroundings(self) -> tuple[str, ...]:
        """The surroundings of the objects that the framing map has to show."""
        from bias_toolkit.invariance import SURROUNDINGS

        chosen = self.settings.map_surroundings or SURROUNDINGS
        unknown = [name for name in chosen if name not in SURROUNDINGS]
        if unknown:
            raise InputError(f"--surroundings is {unknown[0]!r}, but must be one of {', '.join(SURROUNDINGS)}.")
        return tuple(dict.fromkeys(chosen))

    def check_sweeps(self) -> None:
        """Refuse a size at which the model would see nothing, before anything is computed or recorded."""
        import numpy as np

        from bias_toolkit.invariance import make_views

        if any(sweep.is_of_frames for sweep in self.sweeps):
            if not self.opened("test").has_frames:
                raise InputError(
                    f"{self.opened('test').root} has no clips, which --protocol frames needs: "
                    "name a video, a folder of videos, or folders of frames with --test-layout clips."
                )
            if self.settings.precision is not None:
                raise InputError("--precision chooses images at random, and does not go with --protocol frames.")
        side = self.identity("model")["input_size"]
        for sweep in self.sweeps:
            make_views(np.zeros((side, side, 3), np.uint8), sweep, side, "")

    def check_index(self) -> None:
        """Refuse an index that Faiss does not accept, or cannot train on so few images, before it is built."""
        # A model that cannot be opened is refused here too.
        self.identity("model")
        if self.settings.index == "exact":
            return
        from bias_toolkit.features.index import check_index

        is_open = self.has_open_model
        dimension = self.model.feature_dimension if is_open else self.recorded.model.feature_dimension
        check_index(self.settings.index, dimension, self.opened("train").n_listed, self.settings.metric)

    # Labels

    @cached_property
    def label_match(self) -> LabelMatch:
        """How the test set's labels were matched with the model's classes."""
        from bias_toolkit.models import match_labels

        labels = sorted(self.test.images["label"].dropna().unique())
        return match_labels(labels, self.model, self.test.class_names, self.settings.label_map)

    def class_indices(self, split: str) -> dict[str, int]:
        """The model's class of each label of the `train` or `test` set that matches a class."""
        from bias_toolkit.models import match_labels

        if split == "test":
            return self.label_match.indices
        labels = set(self.train.images["label"].dropna().unique())
        if not labels:
            return {}
        names, mapping = self.train.class_names, self.settings.label_map
        if mapping is not None:
            # The mapping file is for the test set. It also applies to equal labels of the training set.
            labels |= set(self.test.images["label"].dropna().unique())
            names = names | self.test.class_names
        return match_labels(sorted(labels), self.model, names, mapping).indices

    def label_indices(self, split: str) -> dict[str, int]:
        """The model's class of each image of the `train` or `test` set whose label matches a class."""
        images, indices = self.dataset(split).images, self.class_indices(split)
        pairs = zip(images["image_id"], images["label"], strict=True)
        return {image_id: indices[label] for image_id, label in pairs if label in indices}

    @cached_property
    def all_class_indices(self) -> dict[str, int]:
        """The model's class of each label of either set that matches a class."""
        from bias_toolkit.models import match_labels

        labels = {label for split in SPLITS for label in self.dataset(split).images["label"].dropna().unique()}
        if not labels:
            return {}
        matched = match_labels(sorted(labels), self.model, self.class_names, self.settings.label_map)
        return matched.indices | self.label_match.indices

    def class_of(self, label: str | None) -> int | None:
        """The model's class of a label, which may be of neither set; None where it matches no class."""
        from bias_toolkit.models import match_labels

        index = self.all_class_indices.get(label)
        if index is None and label is not None:
            return match_labels([label], self.model).indices.get(label)
        return index

    @property
    def class_names(self) -> dict[str, str]:
        """Readable names of the labels of both sets."""
        return {**self.train.class_names, **self.test.class_names}

    # Boxes

    def has_objects(self, split: str) -> bool:
        """Whether the `train` or `test` set has boxes of its own; from the record of the same set, if it knows."""
        known = self._known_objects(split)
        return len(self.dataset(split).objects) > 0 if known is None else known

    @property
    def estimated_splits(self) -> list[str]:
        """The sets whose objects the model has to locate.

        Raises InputError if that was requested (`boxes` is "estimated") and the model is missing or unsuitable.
        """
        if self.settings.boxes == "given":
            return []
        if self.settings.boxes == "estimated":
            self.required("model")
            if (reason := self.why_not_estimated) is not None:
                raise InputError(reason)
            return list(SPLITS)
        return [split for split in SPLITS if not self.has_objects(split) and self.why_not_estimated is None]

    @property
    def measured_split(self) -> str | None:
        """The set on which located objects are compared with its own boxes; None if neither set has boxes."""
        return next((split for split in ("test", "train") if self.has_objects(split)), None)

    @property
    def activation_map(self) -> ActivationMap:
        """The model's activation map of a class; InputError if the model has none."""
        maps = self._maps
        if isinstance(maps, str):
            raise InputError(maps)
        return maps

    @cached_property
    def _maps(self) -> ActivationMap | str:
        """The model's activation map, or a sentence on why it has none."""
        from bias_toolkit.models.activation_map import ActivationMap

        model = self.model
        try:
            return ActivationMap(model)
        except InputError as error:
            return str(error)

    @property
    def why_not_estimated(self) -> str | None:
        """A sentence on why a set without boxes cannot get estimated ones; None if it can."""
        if self.spec("model") is None:
            return "Name a model with --model to have its objects located."
        if (
            not self.has_open_model
            and self._identities.recorded_identity("model") is not None
            and self.recorded.model.maps
        ):
            return self.recorded.model.maps.why_not
        return self._maps if isinstance(self._maps, str) else None

    @property
    def shown_surroundings(self) -> tuple[str, ...]:
        """The surroundings that the framing map shows; if the test set has no boxes, `real` is not among them."""
        from bias_toolkit.invariance.framing_grid import REAL

        if self.has_objects("test"):
            return self.surroundings
        if set(self.surroundings) == {REAL}:
            raise InputError(
                "--surroundings is real, but the test set has no object boxes, so there is no object to cut windows "
                "around; take mean, black or inpaint, which move the whole image."
            )
        return tuple(name for name in self.surroundings if name != REAL)

    def twins(self, test_ids: list[str]) -> list[str | None]:
        """For each test image, the training image that is the same file; None if there is none."""
        sources = list(self.test.sources(test_ids))
        wanted, train_ids = set(sources), self.train.images["image_id"]
        # Most training images are no test image; a large set's sources are not kept.
        of_training = zip(self.train.sources(train_ids), train_ids, strict=True)
        twins = {source: image_id for source, image_id in of_training if source in wanted}
        return [twins.get(source) for source in sources]

    def training_image(self, file: Path) -> str | None:
        """The training image that is this file; None if there is none."""
        from bias_toolkit.explain import training_image

        return training_image(file, self.train.images["image_id"], self.train.sources)


def _identity_of_set(dataset: Dataset) -> dict[str, str]:
    return {"layout": dataset.layout, "fingerprint": dataset.fingerprint}
