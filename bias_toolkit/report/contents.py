"""What a report is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import known

if TYPE_CHECKING:
    from bias_toolkit.analysis import Analysis, FramingMap
    from bias_toolkit.explain.summary import Summary
    from bias_toolkit.objects import FramingComparison, Maps, MeanImages
    from bias_toolkit.report.localisation import Localisation

OFTEN_TRUNCATED = 0.1


@dataclass(frozen=True)
class DatasetDescription:
    """One of a study's two datasets, in numbers.

    `n_images` and `n_labels` are of the images that were read. `n_skipped` counts an image once, however many steps
    left it out, so that both together are the images that were found.
    """

    path: str
    layout: str
    layout_reason: str
    n_images: int
    n_labels: int
    n_objects: int = 0
    n_skipped: int = 0
    dropped_boxes: int = 0


@dataclass(frozen=True)
class ModelDescription:
    """The model of a study."""

    name: str
    input_size: int
    preprocessing: str
    n_classes: int
    feature_layer: str
    feature_dimension: int
    weights_sha256: str


@dataclass(frozen=True)
class NoiseFloor:
    """`p_top1_change` between two evaluations of the same views, with its 95% interval.

    `n_changed` of `n_views` views changed their top-1 class.
    """

    value: float
    n_views: int
    n_changed: int
    low: float
    high: float


@dataclass(frozen=True)
class ExplainedImage:
    """One of the images that were explained.

    Parameters
    ----------
    image_id : str
    class_name : str
        As it is shown; empty for none.
    p_top1_change, low, high : float
        Over one-pixel steps in all directions, with its 95% interval; None where there is none.
    first_cause : str, optional
        In words; None where no cause was found, or none was looked for.
    link : str
        Address of its page, relative to the report.
    is_stable : bool
        Whether it is too stable for a cause to be looked for.
    """

    image_id: str
    class_name: str
    p_top1_change: float
    low: float | None
    high: float | None
    first_cause: str | None
    link: str
    is_stable: bool = False


@dataclass
class ReportContents:
    """Everything the report shows. What is None was not computed, and `missing` says why.

    Parameters
    ----------
    name : str
        The study's name.
    train, test : DatasetDescription
    model : ModelDescription
    settings : mapping
        Every setting, by name, as JSON values.
    versions : mapping
        Name of a package to its version.
    seeds : mapping
        Name of a random draw to its seed.
    label_match : str
        One sentence on how the test set's labels were matched with the model's classes.
    runtime_reason : str
        One sentence on what executed the model, and why.
    index_reason : str
        One sentence on which index was built and why.
    per_image : DataFrame, optional
        One row a test image: image_id, label, and every column of measures (reference sweep), distances and framing.
    reference : tuple (protocol, transform, size), optional
        The sweep that `per_image` and `analysis` are about; by default the first of the summary that has steps.
    measures, neighbours, distances, train_framing, test_framing : DataFrame, optional
        Tables MEASURES, NEIGHBOURS, DISTANCES, FRAMING and FRAMING.
    sequential : DataFrame, optional
        Table SEQUENTIAL, where the sweeps were to stop at a precision.
    search_quality : DataFrame, optional
        Table SEARCH_QUALITY, where the index is approximate.
    train_summary, test_summary : DataFrame, optional
        Tables FRAMING_SUMMARY; the row with category "" is about the whole dataset.
    train_maps, test_maps : Maps, optional
        Where the objects of each set are, one object an image.
    framing_comparison : FramingComparison, optional
        How the test set's framing differs from the training set's.
    train_means, test_means : MeanImages, optional
        The mean image of each set and of its classes.
    localisation : Localisation, optional
        Where boxes are estimated: how, and how good such boxes are.
    framing_map : FramingMap, optional
        Has the tables MAP_CELLS, MAP_CORRELATIONS, MAP_CONTRASTS as `cells`, `correlations`, `contrasts`.
    map_views : callable, optional
        Gives what the model is shown in the map of one image: surroundings to (scale, uint8 pixels) pairs.
    size_curve, size_measures : DataFrame, optional
        Tables SUMMARY and MEASURES of the size curve.
    train_distances : array (n,), optional
        Distance of training images to their nearest other training image.
    analysis : Analysis, optional
        Has the tables CORRELATIONS, CURVES, SUMMARY, CLASSES as `correlations`, `curves`, `summary`, `classes`.
    noise_floor : NoiseFloor, optional
    n_shared : int
        Number of test images that are training images themselves, by file. Their distances are to the other training
        images.
    skipped : DataFrame
        split, step, image_id, reason; an image that several steps left out has a row for each.
    missing : sequence of str
        Sentences on what was left out, and why.
    wall_times : mapping
        Step name to seconds.
    read_train, read_test : callable, optional
        image_id to uint8 (H, W, 3), for thumbnails; may raise UnreadableImageError.
    train_labels : mapping
        image_id of a training image to its label, for the captions of neighbours; may hold only some.
    class_names : mapping
        Label to the name that is shown.
    explanations : mapping
        image_id to the address, relative to the report, of the page that explains it.
    explained : Summary, optional
        What the explanations say together.
    explained_images : sequence of ExplainedImage
        In the order in which they are listed.
    """

    name: str
    train: DatasetDescription
    test: DatasetDescription
    model: ModelDescription
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)
    label_match: str = ""
    runtime_reason: str = ""
    index_reason: str = ""
    per_image: pd.DataFrame | None = None
    reference: tuple[str, str, float] | None = None
    measures: pd.DataFrame | None = None
    sequential: pd.DataFrame | None = None
    neighbours: pd.DataFrame | None = None
    distances: pd.DataFrame | None = None
    search_quality: pd.DataFrame | None = None
    train_framing: pd.DataFrame | None = None
    test_framing: pd.DataFrame | None = None
    train_summary: pd.DataFrame | None = None
    test_summary: pd.DataFrame | None = None
    train_maps: Maps | None = None
    test_maps: Maps | None = None
    localisation: Localisation | None = None
    framing_comparison: FramingComparison | None = None
    train_means: MeanImages | None = None
    test_means: MeanImages | None = None
    framing_map: FramingMap | None = None
    map_views: Callable[[], Mapping[str, Sequence[tuple[float, np.ndarray]]]] | None = None
    size_curve: pd.DataFrame | None = None
    size_measures: pd.DataFrame | None = None
    train_distances: np.ndarray | None = None
    analysis: Analysis | None = None
    noise_floor: NoiseFloor | None = None
    n_shared: int = 0
    skipped: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["split", "step", "image_id", "reason"]))
    missing: Sequence[str] = ()
    wall_times: Mapping[str, float] = field(default_factory=dict)
    read_train: Callable[[str], np.ndarray] | None = None
    read_test: Callable[[str], np.ndarray] | None = None
    train_labels: Mapping[str, str] = field(default_factory=dict)
    class_names: Mapping[str, str] = field(default_factory=dict)
    explanations: Mapping[str, str] = field(default_factory=dict)
    explained: Summary | None = None
    explained_images: Sequence[ExplainedImage] = ()

    def table(self, name: str) -> pd.DataFrame:
        """One of the analysis tables by name, without rows where there is no analysis."""
        table = getattr(self.analysis, name, None)
        return pd.DataFrame() if table is None else table

    @property
    def reference_sweep(self) -> tuple[str, str, float] | None:
        """protocol, transform and size of the sweep that the per-image table is about; None where none has steps."""
        summary = self.table("summary")
        if self.reference is not None or not len(summary):
            return self.reference
        steps = summary[summary["measure"].eq("p_top1_change")]
        return None if steps.empty else tuple(steps.iloc[0][["protocol", "transform", "size"]])

    def class_name(self, label: str | None) -> str:
        """The name shown for a label: its first synonym, or the label itself; empty for none."""
        if not isinstance(label, str):
            return ""
        name = self.class_names.get(label)
        return label if name is None else name.split(",")[0].strip() or label

    def given_name(self, label: str | None) -> str:
        """The label itself where `class_name` shows another name for it, empty otherwise."""
        return label if isinstance(label, str) and self.class_name(label) != label else ""


def whole_dataset(summary: pd.DataFrame | None) -> Mapping[str, Any] | None:
    """The FRAMING_SUMMARY row of the whole dataset, None where there were no objects."""
    if summary is None or not len(summary):
        return None
    rows = summary[summary["category"].eq("") & summary["n_objects"].gt(0)]
    return None if rows.empty else rows.iloc[0].to_dict()


def centring_column(row: Mapping[str, Any]) -> str:
    """The column of a FRAMING_SUMMARY row that tells of centring: of all objects, or of those the border does not cut.

    A box that the border cuts lies at the very end of where it fits, which counts against centring though it says
    nothing of it. Where such boxes are frequent, only the others can tell.
    """
    often = known(row.get("truncated_share")) and row["truncated_share"] >= OFTEN_TRUNCATED
    return "untruncated_centre_bias" if often and known(row.get("untruncated_centre_bias")) else "centre_bias"


def by_category(summary: pd.DataFrame | None, column: str = "centre_bias") -> pd.DataFrame:
    """The FRAMING_SUMMARY rows of single categories, those with the most of a column first."""
    if summary is None or not len(summary):
        return pd.DataFrame()
    rows = summary[summary["category"].ne("")]
    return rows.sort_values([column, "category"], ascending=[False, True], kind="stable")


def has_values(table: pd.DataFrame | None, *columns: str) -> bool:
    """Whether the table has a row with a value in every one of the columns."""
    if table is None or any(column not in table for column in columns):
        return False
    return bool(table[list(columns)].notna().all(axis=1).any())


def numeric_columns(table: pd.DataFrame) -> list[str]:
    """The columns that hold numbers, in order; columns of yes and no are not among them."""
    kinds = pd.api.types
    return [
        name for name, kind in table.dtypes.items() if kinds.is_numeric_dtype(kind) and not kinds.is_bool_dtype(kind)
    ]


def require_numbers(table: pd.DataFrame, **options: str) -> None:
    """Refuse an option that names no column of numbers.

    Parameters
    ----------
    table : DataFrame
    **options : str
        Name of an option, without its dashes, to the column it names.

    Raises
    ------
    InputError
    """
    numeric = numeric_columns(table)
    for option, column in options.items():
        if column not in numeric:
            lack = "is not a column of numbers" if column in table else "the study does not have"
            raise InputError(f"--{option} is {column!r}, which {lack}; it can be {', '.join(numeric) or 'none'}.")


def correlation(table: pd.DataFrame, distance: str, measure: str, kind: str) -> Mapping[str, Any] | None:
    """One row of CORRELATIONS, None where it is absent or its rho is not defined."""
    if not len(table):
        return None
    rows = table[table["distance"].eq(distance) & table["measure"].eq(measure) & table["kind"].eq(kind)]
    if rows.empty or not known(rows.iloc[0]["rho"]):
        return None
    return rows.iloc[0].to_dict()


def curve_rows(table: pd.DataFrame, distance: str, measure: str) -> pd.DataFrame | None:
    """The rows of CURVES of a pair, None where there are none."""
    if not len(table):
        return None
    rows = table[table["distance"].eq(distance) & table["measure"].eq(measure)]
    return rows if len(rows) else None
