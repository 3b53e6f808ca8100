"""The steps of a study that vary position, scale and view size on purpose: the framing map and the size curve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_table
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.pipeline.steps import Step
from bias_toolkit.study.plan import MAP, SIZES, Plan
from bias_toolkit.study.results import StudyResults
from bias_toolkit.study.run import one_run
from bias_toolkit.study.sweeps import sweep_reader

if TYPE_CHECKING:
    from bias_toolkit.analysis import FramingMap
    from bias_toolkit.datasets import Dataset
    from bias_toolkit.invariance import FramingGrid, Sweep
    from bias_toolkit.models import Model
    from bias_toolkit.study import Study

EDGES = ["x0", "y0", "x1", "y1"]
MAP_TABLES = ("cells", "correlations", "contrasts")
LARGEST_DENSITY_SAMPLE = 10_000


class StudyMaps(StudyResults):
    """Shows a sample of the test images at other positions, scales and sizes than their photographers chose."""

    model: Model
    _plan: Plan
    _do: Callable[[Step, Callable[[Path], None]], Path]
    train: Dataset
    read_images: Callable[[Progress], Study]
    _required: Callable[[str], str]
    _label_indices: Callable[[], dict[str, int]]

    @property
    def framing_grid(self) -> FramingGrid:
        """The positions and scales of the framing map."""
        from bias_toolkit.invariance import FramingGrid
        from bias_toolkit.invariance.framing_grid import POSITIONS, SCALES

        return FramingGrid(self.settings.map_positions or POSITIONS, self.settings.map_scales or SCALES)

    @property
    def chosen_surroundings(self) -> tuple[str, ...]:
        """What the framing map is to show around the objects."""
        from bias_toolkit.invariance import SURROUNDINGS

        chosen = self.settings.map_surroundings or SURROUNDINGS
        unknown = [name for name in chosen if name not in SURROUNDINGS]
        if unknown:
            raise InputError(f"--surroundings is {unknown[0]!r}, but must be one of {', '.join(SURROUNDINGS)}.")
        return tuple(dict.fromkeys(chosen))

    @property
    def surroundings(self) -> tuple[str, ...]:
        """What the framing map shows around the objects; where the test set has no boxes, `real` is not among it."""
        from bias_toolkit.invariance.framing_grid import REAL

        chosen = self.chosen_surroundings
        if len(self.objects("test")):
            return chosen
        if set(chosen) == {REAL}:
            raise InputError(
                "--surroundings is real, but the test set has no object boxes, so there is no object to cut windows "
                "around; take mean, black or inpaint, which move the whole image."
            )
        return tuple(name for name in chosen if name != REAL)

    @property
    def size_sweeps(self) -> list[Sweep]:
        """The sweeps of the size curve."""
        from bias_toolkit.invariance import size_curve_sweeps

        return size_curve_sweeps()

    @one_run
    def measure_map(self, progress: Progress = silent) -> Study:
        """Show a sample of test images at every position and scale of a grid, and sweep there.

        What the object is shown in is one of the fills of embed, where the image ends, or the image alone, where
        boxes allow it. An image without an object box takes part, as its own object, only where no test image has
        a box. Then the map is related to where the training objects are.

        Raises
        ------
        InputError
            If the grid or the surroundings are no such, or fewer than two images are to be shown.
        """
        from bias_toolkit.invariance import run_grid

        self._required("model")
        test = self.read_images(progress).test
        grid, indices = self.framing_grid, self._label_indices()
        boxes = {row.image_id: [getattr(row, edge) for edge in EDGES] for row in self.subjects("test").itertuples()}
        candidates = sorted(boxes) or test.images["image_id"].tolist()
        image_ids = _sample(candidates, self.settings.map_images, self.settings.seed)
        for surroundings in self.surroundings:

            def show(folder: Path, surroundings: str = surroundings) -> None:
                run_grid(
                    self.model,
                    test.read,
                    image_ids,
                    boxes,
                    grid,
                    surroundings,
                    folder,
                    label_indices=indices,
                    batch_size=self.model.batch_size,
                    progress=progress,
                )

            self._do(self._plan.framed(surroundings), show)
        self._do(self._plan.map, lambda folder: self._relate_map(folder, progress))
        return self

    @one_run
    def measure_sizes(self, progress: Progress = silent) -> Study:
        """Sweep a sample of test images at every view size, from a tight crop to a small image on a canvas (A)."""
        from bias_toolkit.analysis import SUMMARY, measure_summary
        from bias_toolkit.invariance import MEASURES, load_measures, run_sweep

        self._required("model")
        test = self.read_images(progress).test
        indices = self._label_indices()
        image_ids = _sample(test.images["image_id"].tolist(), self.settings.size_images, self.settings.seed)
        for sweep in self.size_sweeps:

            def respond(folder: Path, sweep: Sweep = sweep) -> None:
                run_sweep(
                    self.model,
                    sweep_reader(self, sweep),
                    image_ids,
                    sweep,
                    folder,
                    label_indices=indices,
                    batch_size=self.model.batch_size,
                    progress=progress,
                )

            self._do(self._plan.sized(sweep), respond)

        def summarise(folder: Path) -> None:
            tables = [load_measures(self._existing(f"{SIZES}/{sweep.name}", SIZES)) for sweep in self.size_sweeps]
            measures = pd.concat(tables, ignore_index=True)
            summary = measure_summary(measures, resamples=self.settings.resamples, seed=self.settings.seed)
            write_table(summary, folder / "summary.parquet", SUMMARY)
            write_table(measures, folder / "measures.parquet", MEASURES)

        self._do(self._plan.sizes, summarise)
        return self

    @property
    def framed(self) -> pd.DataFrame:
        """The measures of each image in each cell of the framing map, table FRAMED."""
        from bias_toolkit.invariance import load_grid

        tables = [self._read(f"{MAP}/{name}", MAP, load_grid) for name in self.surroundings]
        return pd.concat(tables, ignore_index=True)

    @property
    def framing_map(self) -> FramingMap:
        """The measures in each cell of the framing map, and how they go with the training density."""
        from bias_toolkit.analysis import FramingMap

        return FramingMap(*(self._table(f"{MAP}/relation/{name}.parquet", MAP) for name in MAP_TABLES))

    @property
    def size_curve(self) -> pd.DataFrame:
        """The measures over the view size, table SUMMARY."""
        return self._table(f"{SIZES}/curve/summary.parquet", SIZES)

    @property
    def size_measures(self) -> pd.DataFrame:
        """The measures of each image at each view size of the curve, table MEASURES."""
        return self._table(f"{SIZES}/curve/measures.parquet", SIZES)

    def map_views(self) -> dict[str, list[tuple[float, np.ndarray]]]:
        """What the model was shown of one image of the framing map: its object in the middle, at each scale.

        Of the images of the map, the one whose object is of the most usual scale: nearest to the median of all.

        Returns
        -------
        dict
            Surroundings to (scale, uint8 pixels (W, W, 3)) pairs.
        """
        from bias_toolkit.invariance import FramingCell, framed_window, take_picture
        from bias_toolkit.invariance.framing_grid import REAL

        framed = self.framed
        image_ids = sorted(framed["image_id"].unique())
        subjects = self.subjects("test").set_index("image_id")
        sides = subjects["x1"] - subjects["x0"], subjects["y1"] - subjects["y0"]
        scale = np.log(sides[0] * sides[1] / (subjects["width"] * subjects["height"])).reindex(image_ids)
        image_id = image_ids[0] if scale.isna().all() else (scale - scale.median()).abs().idxmin()
        image = self.test.read(image_id)
        height, width = image.shape[:2]
        box = subjects.loc[image_id, EDGES].tolist() if image_id in subjects.index else [0, 0, width, height]
        side = self.model_record["input_size"]
        views = {}
        for surroundings in self.surroundings:
            fill = "mean" if surroundings == REAL else surroundings
            windows = {
                scale: framed_window(box, width, height, FramingCell(0.5, 0.5, scale), side, surroundings)
                for scale in sorted(self.framing_grid.scales)
            }
            views[surroundings] = [
                (scale, take_picture(image, window, 0, fill).pixels) for scale, window in windows.items() if window
            ]
        return views

    def has(self, part: str) -> bool:
        """Whether the `map` or the `sizes` are there under the present settings."""
        return self._is_current({MAP: f"{MAP}/relation", SIZES: f"{SIZES}/curve"}[part])

    def _relate_map(self, folder: Path, progress: Progress) -> None:
        from bias_toolkit.analysis import analyse_map, schema

        settings = self.settings
        found = analyse_map(
            self.framed, self._training_density(), resamples=settings.resamples, seed=settings.seed, progress=progress
        )
        for name in MAP_TABLES:
            write_table(getattr(found, name), folder / f"{name}.parquet", getattr(schema, f"MAP_{name.upper()}"))

    def _training_density(self) -> pd.DataFrame | None:
        """Log density of the training objects, as the model sees them, at each cell; None without boxes."""
        from bias_toolkit.invariance import Sweep, boxes_in_view
        from bias_toolkit.objects import kernel_log_density

        if self.train.objects.empty or self.test.objects.empty:
            return None
        subjects = self.subjects("train")
        if len(subjects) > LARGEST_DENSITY_SAMPLE:
            subjects = subjects.sample(LARGEST_DENSITY_SAMPLE, random_state=self.settings.seed)
        sweep = Sweep("crop", "diagonal", self.settings.feature_size)
        x0, y0, x1, y1 = boxes_in_view(subjects, sweep, self.model.input_size).T
        training = np.column_stack([(x0 + x1) / 2, (y0 + y1) / 2, np.log((x1 - x0) * (y1 - y0)) / 2])
        cells = pd.DataFrame(self.framing_grid.cells)
        points = np.column_stack([cells["cx"], cells["cy"], np.log(cells["scale"])])
        return cells.assign(log_density=kernel_log_density(points, training))


def _sample(image_ids: list[str], n: int, seed: int) -> list[str]:
    """A seeded sample without replacement, in the order given; all of them where there are no more."""
    if len(image_ids) < 2:
        raise InputError("The test set has fewer than two images to show; a sample needs two or more.")
    chosen = np.random.default_rng(seed).permutation(len(image_ids))[:n]
    return [image_ids[number] for number in np.sort(chosen)]
