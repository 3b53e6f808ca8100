"""results.json: every number, finding and setting of a report."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.report.contents import ReportContents
from bias_toolkit.report.finding import Finding


def results(contents: ReportContents, findings: Sequence[Finding]) -> dict[str, Any]:
    """The report as JSON values. What was not computed is null; tables of single images are in the CSV files."""
    sweep = contents.reference_sweep
    return to_json(
        {
            "name": contents.name,
            "train": contents.train,
            "test": contents.test,
            "model": contents.model,
            "label_match": contents.label_match,
            "index": contents.index_reason,
            "search_quality": contents.search_quality,
            "reference_sweep": None
            if sweep is None
            else dict(zip(("protocol", "transform", "size"), sweep, strict=True)),
            "findings": list(findings),
            "localisation": contents.localisation,
            "framing": {"train": contents.train_summary, "test": contents.test_summary},
            "framing_comparison": contents.framing_comparison,
            "noise_floor": contents.noise_floor,
            "sequential": contents.sequential,
            "summary": contents.table("summary"),
            "correlations": contents.table("correlations"),
            "curves": contents.table("curves"),
            "classes": contents.table("classes"),
            **{name: contents.table(name) for name in ("odds_ratios", "losses", "ceiling", "factors", "notes")},
            "explained": None
            if contents.explained is None
            else {"summary": contents.explained, "images": contents.explained_images},
            "skipped": contents.skipped,
            "missing": contents.missing,
            "settings": contents.settings,
            "seeds": contents.seeds,
            "versions": contents.versions,
            "wall_times": contents.wall_times,
        }
    )


def results_text(contents: ReportContents, findings: Sequence[Finding]) -> str:
    """`results` as the text of a JSON file."""
    return json.dumps(results(contents, findings), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_json(value: Any) -> Any:
    """A value as JSON knows it: tables as lists of rows, NaN and infinities as None, float32 by its shortest digits."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | np.floating):
        # str gives a float32 the shortest digits that tell it apart; float() would give it noise.
        return float(str(value)) if math.isfinite(value) else None
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    if isinstance(value, pd.DataFrame):
        return [to_json(row) for row in value.to_dict("records")] if len(value.columns) else []
    if isinstance(value, np.ndarray | pd.Series):
        return [to_json(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): to_json(item) for name, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [to_json(item) for item in value]
    return None if value is pd.NA or value is pd.NaT else str(value)
