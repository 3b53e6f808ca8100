"""The step of a study that is about its objects' position and scale."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_toolkit.plan import SPLITS, Plan
from bias_toolkit.progress import Progress, silent
from bias_toolkit.steps import Step
from bias_toolkit.storage import write_table
from bias_toolkit.study_results import StudyResults

if TYPE_CHECKING:
    from bias_toolkit.study import Study


class StudyObjects(StudyResults):
    """What a study says of its objects, without a look at the model's responses."""

    _plan: Plan
    _do: Callable[[Step, Callable[[Path], None]], Path]
    _twins: Callable[[Iterable[str]], list[str | None]]
    read_images: Callable[..., Any]

    def measure_objects(self, progress: Progress = silent) -> Study:
        """Position and scale of the objects of both datasets, against their null model. Needs no model."""
        from bias_toolkit import objects

        self.read_images(progress)
        settings = self.settings

        def frame(folder: Path) -> None:
            framing = {}
            for split in SPLITS:
                dataset = getattr(self, split)
                framing[split] = objects.position_and_scale(dataset.objects, dataset.images)
                summary = objects.framing_summary(
                    framing[split],
                    dataset.images,
                    resamples=settings.resamples,
                    placements=settings.placements,
                    seed=settings.seed,
                    progress=progress,
                )
                write_table(framing[split], folder / f"{split}-framing.parquet", objects.FRAMING)
                write_table(summary, folder / f"{split}-summary.parquet", objects.FRAMING_SUMMARY)
            subjects = objects.image_framing(framing["test"], self.test.images)
            # Under the name of its training image, a subject leaves its own box out of the density.
            twins = [twin or "" for twin in self._twins(subjects["image_id"])]
            subjects["framing_log_density"] = objects.framing_log_density(
                subjects.assign(image_id=twins), framing["train"], leave_out_own_image=True, seed=settings.seed
            )
            subjects["log_scale_deviation"] = objects.log_scale_deviation(subjects, framing["train"])
            write_table(subjects, folder / "test-subjects.parquet", objects.SUBJECTS)

        self._do(self._plan.objects, frame)
        return self
