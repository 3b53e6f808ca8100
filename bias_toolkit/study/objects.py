"""The step of a study that is about its objects' position and scale."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_toolkit.foundation.files import write_table, write_text
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.pipeline.steps import Step
from bias_toolkit.study.located import StudyLocated
from bias_toolkit.study.plan import SPLITS, Plan
from bias_toolkit.study.run import one_run

if TYPE_CHECKING:
    import pandas as pd

    from bias_toolkit.objects import FramingComparison, MeanImages
    from bias_toolkit.study import Study

COMPARISON, TWO_SAMPLE = "comparison.parquet", "two-sample.json"


class StudyObjects(StudyLocated):
    """What a study says of its objects, without a look at the model's responses."""

    _plan: Plan
    _do: Callable[[Step, Callable[[Path], None]], Path]
    _twins: Callable[[Iterable[str]], list[str | None]]
    read_images: Callable[..., Any]

    @one_run
    def measure_objects(self, progress: Progress = silent) -> Study:
        """Position and scale of the objects of both datasets against their null model and each other, and both
        datasets' mean images. Needs no model.
        """
        from bias_toolkit import objects

        self.read_images(progress)
        self.locate(progress)
        settings = self.settings

        def frame(folder: Path) -> None:
            framing = {}
            for split in SPLITS:
                dataset = getattr(self, split)
                framing[split] = objects.position_and_scale(self.framed_objects(split), dataset.images)
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
            self.write_boxes_record(folder)
            comparison = objects.compare_framing(
                framing["train"],
                framing["test"],
                self.train.images,
                self.test.images,
                resamples=settings.resamples,
                permutations=settings.permutations,
                seed=settings.seed,
                progress=progress,
            )
            if comparison is not None:
                write_table(comparison.variables, folder / COMPARISON, objects.FRAMING_COMPARISON)
                write_text(json.dumps(dataclasses.asdict(comparison.test)), folder / TWO_SAMPLE)

        self._do(self._plan.objects, frame)
        for split in SPLITS:
            self._average(split, progress)
        return self

    def _average(self, split: str, progress: Progress) -> None:
        from bias_toolkit.objects import mean_images

        dataset = getattr(self, split)

        def average(folder: Path) -> None:
            means = mean_images(
                dataset.read, dataset.images, dataset.objects, seed=self.settings.seed, progress=progress
            )
            means.save(folder)

        self._do(self._plan.mean_images(split), average)

    @property
    def framing_comparison(self) -> FramingComparison | None:
        """How the test set's framing differs from the training set's; None where too few images of one have boxes."""
        from bias_toolkit.objects import FramingComparison, TwoSampleTest

        folder = self._existing("objects/train-summary.parquet", "objects").parent
        if not (folder / TWO_SAMPLE).exists():
            return None
        test = TwoSampleTest(**self._json(f"objects/{TWO_SAMPLE}", "objects"))
        return FramingComparison(self._table(f"objects/{COMPARISON}", "objects"), test)

    def framing_ranking(self, split: str, column: str = "centre_bias") -> pd.DataFrame:
        """The categories of the `train` or `test` set by one estimate of `framing_summary`, with intervals of ranks."""
        from bias_toolkit.objects import rank_categories

        return rank_categories(self.framing_summary(split), column, self.settings.seed)

    def mean_images(self, split: str) -> MeanImages:
        """The mean image of the `train` or `test` set, and of each of its classes."""
        from bias_toolkit.objects import MeanImages

        return self._read(f"mean-images/{split}", "objects", MeanImages.load)
