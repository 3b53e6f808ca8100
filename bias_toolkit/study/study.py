"""A study: one training set, one test set, one model, and all results computed from them, in one folder."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_text
from bias_toolkit.foundation.progress import Progress
from bias_toolkit.foundation.shown import html_table, public_names
from bias_toolkit.foundation.spreadsheet import csv_text
from bias_toolkit.foundation.untrusted import read_regular
from bias_toolkit.pipeline.executor import Executor
from bias_toolkit.pipeline.runner import Runner
from bias_toolkit.pipeline.step import Step, Task
from bias_toolkit.pipeline.verify import Damage, verify
from bias_toolkit.study import steps
from bias_toolkit.study.duration import duration_sentence
from bias_toolkit.study.explaining import explainable, request_for, worst_requests
from bias_toolkit.study.first_answer import (
    FIRST_ANSWER,
    first_answer_in,
    place_of_first_answer,
    record_first_answer,
)
from bias_toolkit.study.identities import EXTRA_FILES
from bias_toolkit.study.inputs import Inputs, Named
from bias_toolkit.study.news import lost_sentences, news
from bias_toolkit.study.record import (
    RECORD,
    StudyRecord,
    holds_other_files,
    package_versions,
    read_record,
    write_record,
)
from bias_toolkit.study.results import Results
from bias_toolkit.study.settings import GO_WITH, SPLITS, Settings
from bias_toolkit.study.workshop import StudyFile, executor_of, make_workshop, open_ahead

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import nn

    from bias_toolkit.datasets import Dataset
    from bias_toolkit.explain import Explanation
    from bias_toolkit.explain.request import Request
    from bias_toolkit.invariance import Sweep
    from bias_toolkit.models import LabelMatch, Model
    from bias_toolkit.report import ReportPage

ROUNDING_PACKAGES = ("torch", "torchvision", "openvino", "faiss-gpu", "faiss-cpu", "numpy", "pillow")
SKIPPED_FILE = "skipped.csv"
PATHS = ("train_folder", "test_folder", "weights", "label_map", "imagenet_x")
"""Settings that name a file or folder."""


def _reads_through_results(study: type) -> type:
    """Give a class the public properties and methods of its `results`."""

    def read(name: str) -> property:
        return property(lambda self: getattr(self.results, name), doc=getattr(Results, name).__doc__)

    for name in vars(Results):
        if not name.startswith("_") and not hasattr(study, name):
            setattr(study, name, read(name))
    return study


@_reads_through_results
class Study:
    """Opens a study, or creates one, and computes its missing results.

    Every method for computing does the steps it needs first, keeps results of the same inputs and settings, and
    continues a stopped run. Tables are DataFrames: everything that `Results` reads can be read from the study.

    Parameters
    ----------
    folder : path
        The study's folder; the first step creates it if it does not exist.
    train, test : str, path, Dataset, or what `load_dataset` takes from memory, optional
        The two datasets; for an existing study, by default its own. Those from memory have to be given again whenever
        their images are needed; all their images are read for their fingerprint.
    model : str, Model, nn.Module or None
        An argument for `load_model`, or a model; the same default. One from memory cannot be opened again by its name.
    trust_study : bool
        Whether a model that is code (`package.module:factory`), and that only the study's record names, may be run.
    reuse : sequence of path
        Folders of other studies. What they have computed of the same inputs under the same settings is copied, such as
        the framing of the same datasets with another model.
    executor : "local", "ray" or Executor
        Does the shards of steps: this process (the default), or the workers of a Ray cluster.
    ray_address : str, optional
        Of the Ray cluster; by default the running one, or else a new one on this machine.
    progress : Progress or bool, optional
        Of methods that get none: by default, bars in a terminal and a notebook; False shows none.
    when_read : callable, optional
        Gets sentences on both sets and on how they fit the model, as soon as the sets are read, before any other work
        that has to be done.
    **settings
        Fields of `Settings`; by default the study's present values. If an input is named again, its settings return to
        their defaults: the layout of a dataset, label map and ImageNet-X of the test set, weights and feature of the
        model.

    Attributes
    ----------
    inputs : Inputs
    results : Results

    Raises
    ------
    InputError
        If a setting is out of range or unknown, the folder holds something other than a study, or its study.json cannot
        be read.

    Examples
    --------
    >>> study = Study("study", "photos/train", "photos/val", "efficientnet-lite0").run()  # doctest: +SKIP

    The folder is enough to open it again.

    >>> study = Study("study")
    >>> least_stable = study.per_image.sort_values("p_top1_change").tail()
    >>> list(least_stable[["label", "predicted", "p_top1_change"]])
    ['label', 'predicted', 'p_top1_change']
    >>> [answer["topic"] for answer in study.answers()]  # doctest: +ELLIPSIS
    [...]
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        train: str | os.PathLike | Dataset | Any | None = None,
        test: str | os.PathLike | Dataset | Any | None = None,
        model: str | Model | nn.Module | None = None,
        *,
        trust_study: bool = False,
        reuse: Sequence[str | os.PathLike] = (),
        executor: str | Executor | None = None,
        ray_address: str | None = None,
        progress: Progress | bool | None = None,
        when_read: Callable[[Sequence[str]], None] | None = None,
        **settings: Any,
    ):
        from bias_toolkit.datasets.file_names import check_path

        self.folder = Path(folder)
        check_path(self.folder)
        try:
            if not stat.S_ISDIR(self.folder.stat().st_mode):
                raise InputError(f"{self.folder} is a file; name a folder for the study.")
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise InputError(f"{self.folder} cannot be opened ({error.strerror}); name another folder.") from error
        named = Named(_named_set(train), _named_set(test), model, trusts_study=trust_study)
        recorded = _find_record(self.folder, named)
        self.inputs = Inputs(self.folder, named, _settings(self.folder, recorded, named, settings), recorded)
        # Refuse settings that give no sweep or map before anything is computed or recorded.
        _ = self.inputs.sweeps, self.inputs.framing_grid, self.inputs.surroundings
        for name in EXTRA_FILES:
            if settings.get(name) is not None:
                self.inputs.open(name)
        self._workshop = make_workshop(self.folder, self.inputs, restore=lambda task: self._runner.restore(task))
        self.results: Results = self._workshop.results
        self._when_read, self._is_told = when_read, False
        self._lost = lost_sentences(named, recorded, self.inputs.settings)
        self._progress = progress
        self._file = StudyFile(self.folder, named, self.inputs.settings)
        self._executor = executor_of(executor, ray_address, self._workshop, self.inputs)
        self._runner = Runner(
            self._workshop,
            self._executor,
            describe_job=self._file.job,
            environment=self._environment,
            started=self._take_record,
            recording=self._record,
            ended=self._list_skipped,
            returned=self._returned,
            reuse=[_study_there(Path(each)) for each in reuse] + self._first_answers(),
        )

    def __repr__(self) -> str:
        return (
            ", ".join([f"Study({str(self.folder)!r}", *(f"{name}={spec!r}" for name, spec in self._named().items())])
            + ")"
        )

    def _repr_html_(self) -> str:
        """Shown in a notebook: the inputs, the steps that are done, and the report."""
        page = self.folder / "report" / "index.html"
        rows = {
            "folder": str(self.folder),
            **self._named(),
            "computed": ", ".join(self.results.seconds) or "nothing yet",
        }
        return html_table("Study", rows | ({"report": str(page)} if page.exists() else {}))

    def _named(self) -> dict[str, str]:
        """The study's inputs, as its record names them."""
        named = {name: self.inputs.spec(name) for name in (*SPLITS, "model")}
        return {name: spec for name, spec in named.items() if spec is not None}

    def __dir__(self) -> list[str]:
        return public_names(self)

    # Inputs

    @property
    def settings(self) -> Settings:
        """The settings of the study."""
        return self.inputs.settings

    @property
    def computed(self) -> list[str]:
        """The names of the steps that this object has computed so far."""
        return self._runner.computed

    @property
    def train(self) -> Dataset:
        """The training set."""
        return self.inputs.train

    @property
    def test(self) -> Dataset:
        """The test set."""
        return self.inputs.test

    @property
    def model(self) -> Model:
        """The classifier."""
        return self.inputs.model

    @property
    def label_match(self) -> LabelMatch:
        """How the test set's labels were matched with the model's classes."""
        return self.inputs.label_match

    @property
    def noise_sweep(self) -> Sweep:
        """The sweep whose centre view measures the numerical noise floor."""
        return self.inputs.noise_sweep

    @property
    def size_sweeps(self) -> list[Sweep]:
        """The sweeps of the size curve."""
        return self.inputs.size_sweeps

    @property
    def per_image(self) -> pd.DataFrame:
        """One row per test image, by image_id: label, predicted class at the centre view, and names of both; size;
        measures of the reference sweep; distances; the framing of its subject."""
        from bias_toolkit.study.per_image import with_classes

        results = self.results
        names = results.dataset_record("test")["class_names"]
        responses = None if results.reference_sweep is None else results.reference_responses
        return with_classes(results.per_image, responses, results.label_record["classes"], names)

    # The verbs

    def run(self, progress: Progress | bool | None = None) -> Study:
        """Do every step, from the images to the report."""
        return self.write_report(progress)

    def quick(self, progress: Progress | bool | None = None) -> Study:
        """Write a first answer, from a sample of both sets; returns its study, in the folder `quick` of this one.

        Up to 200 test and 2,000 training images are drawn at random, resamples are fewer, and the page has the figures
        of its first screen only. What is computed of these images is not computed again by `run` of this study.
        """
        place = place_of_first_answer(self.folder)
        with self._one_run(progress, has_jobs=False):
            self._refuse_early(steps.ANALYSED)
            self._runner.record()
            settings = self.settings.of_first_answer
            record_first_answer(place, self.inputs.recorded, settings)
        named = self.inputs.named
        first = Study(
            place,
            *(named.train, named.test, named.model),
            trust_study=named.trusts_study,
            progress=self._progress,
            when_read=self._when_read,
            **{name: value for name, value in settings.to_dict().items() if value is not None},
        )
        if self.inputs.has_open_model:
            first.inputs.take_model(self.model)
        return first.run(progress)

    def _first_answers(self) -> list[Path]:
        """The folder of the study's first answer, if there is one: small sets are the same there."""
        place = first_answer_in(self.folder)
        return [] if place is None else [place]

    def read_images(self, progress: Progress | bool | None = None) -> Study:
        """Compute the images and objects tables of both datasets."""
        return self._do([steps.images], progress)

    def embed(self, progress: Progress | bool | None = None) -> Study:
        """Compute the features of both datasets: of the centre view of the crop of size `feature_size`."""
        return self._do([steps.features], progress)

    def build_index(self, progress: Progress | bool | None = None) -> Study:
        """Compute the index of the training features, each test image's nearest training images, and the distances."""
        return self._do([steps.neighbours], progress)

    def sweep(self, progress: Progress | bool | None = None) -> Study:
        """Compute the responses along every sweep, the measures, and the numerical noise floor."""
        return self._do([steps.measures, steps.noise], progress)

    def measure_objects(self, progress: Progress | bool | None = None) -> Study:
        """Compute position and scale of both datasets' objects against chance and each other, and the mean images.

        No model is needed if both datasets have boxes.
        """
        return self._do([steps.objects, steps.mean_images], progress)

    def analyse(self, progress: Progress | bool | None = None) -> Study:
        """Relate distance and framing to invariance, and compute all other results of a report."""
        return self._do(steps.ANALYSED, progress)

    def measure_map(self, progress: Progress | bool | None = None) -> Study:
        """Show a sample of test images at every position and scale of a grid, and sweep there.

        The surroundings of the object are one of the fills of embed, beyond the end of the image, or the image alone,
        if boxes allow it. An image without an object box takes part, as its own object, only if no test image has a
        box. Then the map is related to the density of the training objects.

        Raises InputError if the grid or the surroundings are invalid, or if the sample has fewer than two images.
        """
        return self._do([steps.framing_map], progress)

    def measure_sizes(self, progress: Progress | bool | None = None) -> Study:
        """Sweep a sample of test images at every view size, from a tight crop to a small image on a canvas (A)."""
        return self._do([steps.size_curve], progress)

    def measure_layers(self, progress: Progress | bool | None = None) -> Study:
        """Measure every operation of the model that subsamples, on a sample of test images.

        The measures say where in the network invariance is lost: for the network as it is, rebuilt with low-pass
        filters, and on a blurred input. Raises InputError if the network has no such operation, or if the sample has
        fewer than two images.
        """
        return self._do([steps.layer_analysis], progress)

    def measure_remedies(self, progress: Progress | bool | None = None) -> Study:
        """Try every remedy on a sample of test images, and compare it with the model as it is.

        With `train_epochs`, the model is also trained further, in four arms. Also measured is how near random copies of
        the training images come to the test images.
        """
        return self._do([steps.remedies, steps.reach], progress)

    def fit_flag(self, progress: Progress | bool | None = None) -> Study:
        """Fit the flag that says which new images will be unstable, and evaluate it; `bias_toolkit.Flag` applies it."""
        return self._do([steps.flag], progress)

    def write_report(self, progress: Progress | bool | None = None) -> Study:
        """Write the page, its figures and tables, in the folder `report` of the study."""
        from bias_toolkit.report import OPTIONAL

        with self._one_run(progress) as shown:
            self._do(steps.ANALYSED, shown, last=steps.report)
            self._runner.do(steps.report, self.results.shown_in_report(OPTIONAL))
        return self

    def report(self) -> ReportPage:
        """The report that was written last, which a notebook shows; InputError if there is none."""
        from bias_toolkit.report import ReportPage

        page = ReportPage(self.folder / steps.report.name)
        _ = page.path
        return page

    def explain(
        self,
        image: str | os.PathLike,
        *,
        box: Sequence[float] | None = None,
        label: str | None = None,
        progress: Progress | bool | None = None,
    ) -> Explanation:
        """Say why the model is unstable on one image, or that it is stable.

        The explanation is kept in the study's folder `explanations`, as a page with pictures and as JSON, and is not
        computed again with the same inputs and settings. Missing results of the study are computed first.

        Parameters
        ----------
        image : str or path
            A test image's id or path, or any other image file.
        box : sequence of 4 floats, optional
            x0, y0, x1, y1 of the object in pixels, for an image outside the test set.
        label : str, optional
            Its label, or a readable name of the label, for an image outside the test set.
        progress : Progress or bool, optional

        Returns
        -------
        Explanation
            Displays itself in a notebook; `text` is the answer in words, `causes` are its causes.

        Raises
        ------
        InputError
            If it is no image, the box does not lie in it, the label is not known, or the study's sweeps have no steps.
        """
        with self._one_run(progress) as shown:
            # Refuse an invalid request before anything is computed for it.
            self._refuse_early([steps.explanation])
            self._do([steps.images], shown)
            request = request_for(self.inputs, self.results, image, box, label)
            self.analyse(shown)
            return self._explain([explainable(self.results, request, image)], shown)[0]

    def explain_worst(self, n: int = 20, progress: Progress | bool | None = None) -> list[Explanation]:
        """Explain the `n` most unstable test images, the most unstable first, and bring the report up to date.

        `bias_toolkit.explain.summarise` counts the images that have each cause. Raises InputError if n is
        below 1, or the study's sweeps have no steps.
        """
        if n < 1:
            raise InputError(f"--worst is {n}, but must be at least 1.")
        with self._one_run(progress) as shown:
            self._refuse_early([steps.explanation])
            self.analyse(shown)
            explanations = self._explain(worst_requests(self.results, n), shown)
            self.write_report(shown)
        return explanations

    def _explain(self, requests: Sequence[Request], progress: Progress) -> list[Explanation]:
        """The explanation of each image, with its page; existing ones are kept."""
        done = [self.results.stored.is_current(steps.explanation, request) for request in requests]
        with progress("Explaining images", total=len(requests), done=sum(done)) as advance:
            self._runner.do_each(steps.explanation, requests, advance)
        return [self.results.explanation(request) for request in requests]

    def begin_shards(self, name: str, progress: Progress | bool | None = None) -> int:
        """Begin a step, such as `features/train`, whose shards `run_shards` then does; do the steps that it needs.

        Returns the number of shards that are missing. Raises InputError if no step of this name has parts.
        """
        task = self._in_parts(name)
        with self._one_run(progress, has_jobs=False):
            self._refuse_early([task.step])
            return self._runner.begin(task.step, task.member)

    def run_shards(self, name: str, part: int, parts: int, progress: Progress | bool | None = None) -> int:
        """Do one part of the shards of a step that was begun, and nothing else; the next run finishes the step.

        Other processes may do other parts at the same time. Returns the number of shards done. Raises InputError if the
        step was not begun on a machine like this one, or an ordinary run works on the study.
        """
        if not 1 <= part <= parts:
            raise InputError(f"The part is {part} of {parts}, but must be from 1 to the number of parts.")
        task = self._in_parts(name)
        with self._one_run(progress, has_jobs=False):
            self._refuse_early([task.step])
            return self._runner.do_part(task.step, task.member, part, parts)

    def _in_parts(self, name: str) -> Task:
        tasks = {task.name: task for task in self._workshop.plan.all() if task.step.sharding is not None}
        tasks = {each: task for each, task in tasks.items() if not task.step.sharding.in_turn}
        if name not in tasks:
            raise InputError(f"No step {name!r} is done in parts; those that are: {', '.join(tasks)}.")
        return tasks[name]

    def plot(
        self,
        name: str = "distance-vs-invariance",
        *,
        measure: str = "p_top1_change",
        distance: str = "nn_distance",
        bins: int | None = None,
        by_class: bool = False,
        beside: Sequence[Study] = (),
        ax: Axes | None = None,
    ) -> Axes:
        """Draw one of the report's figures. Neither the images nor the model are needed.

        Parameters
        ----------
        name : str
            distance-vs-invariance, or another of `bias_toolkit.report.PLOTS`.
        measure, distance : str
            Columns of `per_image`.
        bins : int, optional
            Quantile bins; by default the study's.
        by_class : bool
            One panel per class.
        beside : sequence of Study
            Other studies, of other models, to draw on the axes of size-vs-invariance.
        ax : matplotlib Axes, optional
            Axes to draw on, for a figure of one panel; by default those of a new figure.

        Raises
        ------
        InputError
            If there is no such figure, the study lacks its data, or a figure of several panels shall go on `ax`.
        """
        from bias_toolkit.report import plot

        others = [study.results for study in beside]
        options = {"measure": measure, "distance": distance, "bins": bins, "by_class": by_class, "beside": others}
        figure = plot(self.results, name, **options, ax=ax)
        return figure.axes[0] if ax is None else ax

    def figures(self) -> dict[str, str]:
        """The figures that `plot` can draw of this study, by name, each with a line that describes it."""
        from bias_toolkit.report import available

        return available(self.results)

    def export(self, to: str, out: str | os.PathLike) -> Path:
        """Write the test images of the analysed study, with all that was measured of each, into a new folder.

        Parameters
        ----------
        to : str
            "csv" or "parquet": tables with a dictionary of their columns. "fiftyone": a folder that FiftyOne loads as
            FiftyOneDataset, in which the images are named and not copied.
        out : path
            The new folder, which is returned.

        Raises
        ------
        InputError
            If there is no such format, the folder has files or cannot be written to, or the study was not analysed.
        """
        from bias_toolkit.study.export import export

        return export(self.inputs, self.results, to, out)

    def explore(self) -> None:
        """Open the test images of the analysed study in Renumics Spotlight, in the browser, on this machine alone.

        A script waits until the tabs are closed; a notebook goes on. InputError if Spotlight, the extra `explore`, is
        not installed, or the study was not analysed.
        """
        from bias_toolkit.study.explore import explore

        explore(self.inputs, self.results)

    def verify(self, progress: Progress | bool | None = None) -> pd.DataFrame:
        """Check every byte that steps have written against its digest, also those of the first answer.

        The next run repairs damaged files. Returns one row per damaged file: step, file, reason, and the command that
        computes it.
        """
        commands = {step.name.partition("/")[0]: step.command for step in steps.STEPS}
        commands[FIRST_ANSWER] = "report --quick"
        shown, first_answers = self._shown(progress), self._first_answers()
        damaged = verify(self.folder, shown, others=[place.name for place in first_answers])
        for place in first_answers:
            damaged += [each._replace(step=f"{place.name}/{each.step}") for each in verify(place, shown)]
        table = pd.DataFrame(damaged, columns=list(Damage._fields))
        return table.assign(command=[commands.get(name.partition("/")[0], "report") for name in table["step"]])

    # Internals

    @contextmanager
    def _one_run(self, progress: Progress | bool | None, *, has_jobs: bool = True) -> Iterator[Progress]:
        """One run, with the progress to show. `has_jobs` says whether it may have jobs for the executor's workers."""
        before = self.inputs.progress, self.inputs.opening_model
        self.inputs.progress = self._shown(progress)
        if has_jobs:
            self.inputs.opening_model = lambda: self._executor.prepare(self._file, open_ahead)
        try:
            with self._runner.one_run(self.inputs.progress):
                yield self.inputs.progress
        finally:
            self.inputs.progress, self.inputs.opening_model = before

    def _shown(self, progress: Progress | bool | None) -> Progress:
        from bias_toolkit.foundation.bars import shown

        return shown(self._progress if progress is None else progress)

    def _do(self, wanted: Sequence[Step], progress: Progress | bool | None, last: Step | None = None) -> Study:
        """Do steps for all their members, and the steps that they need; `last` is done by the caller after them."""
        with self._one_run(progress) as shown:
            self._refuse_early(wanted)
            with shown("Reading both sets", None):
                # Both sets first: an unreadable set is refused before any long work begins.
                for split in SPLITS:
                    self._runner.do(steps.images, split)
                plan = self._workshop.plan
                tasks = [plan.task(step, member) for step in wanted for member in step.members(self.inputs)]
                names = [task.name for task in plan.in_order(tasks) if task.step is not steps.images]
                self._runner.number([*names, *([last.name] if last else [])])
                sentences = self._news(tasks)
            if sentences:
                self._when_read(sentences)
            for task in tasks:
                self._runner.do(task.step, task.member)
        return self

    def _news(self, tasks: Sequence[Task]) -> list[str]:
        """What is known of the inputs, if somebody listens and something has to be done; once."""
        is_current = self.results.stored.is_current
        if self._when_read is None or self._is_told or all(is_current(task.step, task.member) for task in tasks):
            return []
        self._is_told = True
        lineage = {step for task in tasks for step in task.step.lineage()}
        with_model = any("model" in step.requires for step in lineage)
        with_training = steps.training in lineage and bool(self.inputs.training_arms)
        sentences = [*news(self.inputs, self.results, with_model, with_training), *self._lost]
        if with_model and self._runner.is_local:
            sentences += filter(None, [duration_sentence(self._workshop, tasks)])
        return sentences

    def _refuse_early(self, wanted: Sequence[Step]) -> None:
        """Refuse steps that would give no result, before anything is computed or recorded."""
        needed = set().union(*(step.lineage() for step in wanted))
        required = set().union(*(step.requires for step in needed))
        self.inputs.require([name for name in (*SPLITS, "model") if name in required])
        if self._runner.is_local and self.settings.device != self.inputs.recorded.settings.get("device", "auto"):
            # Else the record would keep it, and later commands would be refused.
            from bias_toolkit.models import resolve_device

            resolve_device(self.settings.device)
        self.inputs.check()
        for step in steps.STEPS:
            if step in needed and step.check is not None:
                step.check(self.inputs)

    def _take_record(self) -> None:
        """Use what another run may have recorded since the study was opened. A damaged record is written again."""
        with suppress(InputError):
            if (recorded := read_record(self.folder)) is not None:
                self.inputs.take_record(recorded)

    def _record(self, computing: bool) -> None:
        """Write study.json if it does not match the present study and the versions that compute it."""
        versions = self.inputs.recorded.versions
        record = self.inputs.record(package_versions() if computing or not versions else versions)
        if record != self.inputs.recorded:
            write_record(self.folder, record)
            self.inputs.take_record(record)

    def _list_skipped(self) -> None:
        """Write skipped.csv if it does not list the images that the steps have left out so far."""
        path, text = self.folder / SKIPPED_FILE, csv_text(self.results.skipped_images)
        try:
            is_current = read_regular(path, len(text.encode())) == text.encode()
        except InputError:
            is_current = False
        if not is_current:
            write_text(text, path)

    def _returned(self, task: Task, image_ids: Sequence[str]) -> list[str]:
        """The images, among those that a task left out for a transient reason, that can be read now."""
        dataset = self.inputs.dataset(task.member if task.member in SPLITS else "test")
        return [image_id for image_id in image_ids if dataset.is_back(image_id)]

    def _environment(self) -> dict[str, str]:
        """Versions and device, which may change rounding but are not settings."""
        versions = {name: version for name, version in package_versions().items() if name in ROUNDING_PACKAGES}
        if self.inputs.has_open_model:
            model = self.inputs.model
            versions |= {"device": model.device.type, "runtime": model.chosen_runtime}
        return versions


def _study_there(folder: Path) -> Path:
    """The folder; InputError if it holds no study."""
    if read_record(folder) is None:
        raise InputError(
            f"{folder} holds no study (no {RECORD}), so nothing can be reused of it; name a study's folder."
        )
    return folder


def _named_set(given: Any) -> str | os.PathLike | Dataset | None:
    """A dataset as the user named it; an object in memory becomes a Dataset."""
    if given is None or isinstance(given, str | os.PathLike):
        return given
    from bias_toolkit.datasets import load_dataset

    return load_dataset(given)


def _find_record(folder: Path, named: Named) -> StudyRecord:
    """The record of a study, an empty one for a new study; InputError if the folder has neither."""
    try:
        recorded = read_record(folder)
    except InputError as error:
        if None in (named.train, named.test, named.model):
            raise
        logging.getLogger("bias_toolkit").warning("%s", error)
        return StudyRecord()
    if recorded is not None:
        return recorded
    if (named.train, named.test, named.model) == (None, None, None):
        raise InputError(
            f"{folder} holds no study (no {RECORD}); name a study's folder, or make one here with "
            "`bias-toolkit report` and --train, --test and --model."
        )
    if holds_other_files(folder):
        raise InputError(f"{folder} is not empty and holds no study (no {RECORD}); name a new folder for the study.")
    return StudyRecord()


def _settings(folder: Path, recorded: StudyRecord, named: Named, given: Mapping[str, Any]) -> Settings:
    """The recorded settings, updated by the given ones; settings of an input that is named again are dropped."""
    forgotten = {each for name, others in GO_WITH.items() if getattr(named, name) is not None for each in others}
    kept = {name: value for name, value in recorded.settings.items() if name not in forgotten}
    given = {
        name: os.path.abspath(value) if name in PATHS and value is not None else value for name, value in given.items()
    }
    try:
        known = Settings.from_dict(kept)
    except InputError as error:
        raise InputError(f"{folder / RECORD}: {error}") from error
    return known.replace(given)
