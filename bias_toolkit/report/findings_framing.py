"""What can be said about how the subjects of a dataset are framed."""

from __future__ import annotations

from collections.abc import Mapping

from bias_toolkit.formatting import count, known, p_value, percent
from bias_toolkit.report.contents import ReportContents, by_category, centring_column, whole_dataset
from bias_toolkit.report.definitions import label_of
from bias_toolkit.report.finding import (
    CAUTION,
    EFFECT,
    FACT,
    FRAMING,
    NONE,
    TOO_FEW_IMAGES,
    UNKNOWN,
    Finding,
    sign,
    value_of,
)

ENOUGH_OBJECTS = 20
ALL = "centre_bias"


def framing_findings(contents: ReportContents) -> list[Finding]:
    """Centring and scale of the training set, how its categories differ, and how the test set compares."""
    row = whole_dataset(contents.train_summary)
    if row is None:
        return [
            Finding(
                FRAMING,
                UNKNOWN,
                "How the subjects of the training set are framed cannot be said: it has no object boxes.",
            )
        ]
    column = centring_column(row)
    found = [centring_finding(row, column)]
    if column != ALL:
        found.append(_truncation(row))
    found.extend([_scale(row), _categories(contents, column)])
    test = whole_dataset(contents.test_summary)
    found.append(
        _comparison(row, test, column)
        if test is not None
        else Finding(
            FRAMING,
            UNKNOWN,
            "The test set's framing cannot be compared with the training set's: it has no object boxes.",
        )
    )
    return [finding for finding in found if finding is not None]


def centring_finding(row: Mapping, column: str) -> Finding:
    """Whether the training objects are centred, by a FRAMING_SUMMARY row and the column that tells of it."""
    n_objects = row["n_objects"] if column == ALL else row["n_untruncated"]
    subjects = "objects" if column == ALL else "objects that the image's border does not cut"
    based_on = (
        f"{count(n_objects, 'object')} in {count(row['n_images'], 'image')}"
        if column == ALL
        else f"{n_objects:,} of {count(row['n_objects'], 'object')}"
    )
    if not known(row[column]):
        return Finding(
            FRAMING,
            UNKNOWN,
            "Whether objects in the training set are centred cannot be said.",
            f"No box could have been elsewhere in its image ({based_on}).",
        )
    p = row["p_value" if column == ALL else "untruncated_p_value"]
    numbers = f"{label_of(column)} {value_of(row, column, n=row['n_images'])}; {p_value(p)}; {based_on}."
    if column != ALL:
        numbers += f" Centre bias of all objects, the cut ones among them: {value_of(row, ALL, n=row['n_images'])}."
    if min(row["n_images"], n_objects) < TOO_FEW_IMAGES:
        return Finding(
            FRAMING, CAUTION, f"Too few training images have boxes to say whether {subjects} are centred.", numbers
        )
    direction = sign(row[f"{column}_low"], row[f"{column}_high"])
    share = percent(abs(row[column]), 0)
    than = "image's centre than boxes of the same sizes placed by chance."
    if direction == 1:
        claim = f"In the training set, {subjects} are centred."
        return Finding(FRAMING, EFFECT, claim, f"They lie {share} nearer to the {than} {numbers}")
    if direction == -1:
        claim = f"In the training set, {subjects} keep away from the centre."
        return Finding(FRAMING, EFFECT, claim, f"They lie {share} farther from the {than} {numbers}")
    if direction == 0:
        claim = f"No centring of {subjects} was found in the training set."
        return Finding(FRAMING, NONE, claim, f"{numbers} The interval includes 0.")
    return Finding(FRAMING, CAUTION, f"Whether {subjects} are centred has no interval to judge by.", numbers)


def _truncation(row: Mapping) -> Finding:
    return Finding(
        FRAMING,
        FACT,
        f"{percent(row['truncated_share'], 0)} of the training objects' boxes touch the image's border.",
        f"Share {value_of(row, 'truncated_share', percent, n=row['n_images'])}. "
        "Where the border cuts an object, its box lies at the very end of where it fits, and counts against centring "
        "whoever took the photograph.",
    )


def _scale(row: Mapping) -> Finding | None:
    if not known(row.get("median_scale")):
        return None
    return Finding(
        FRAMING,
        FACT,
        f"The median training object's box covers {percent(row['median_scale'] ** 2, 0)} of its image.",
        f"Median scale {value_of(row, 'median_scale', n=row['n_images'])}.",
    )


def _categories(contents: ReportContents, column: str) -> Finding | None:
    rows = by_category(contents.train_summary, column)
    if not len(rows):
        return None
    n_objects = rows["n_objects" if column == ALL else "n_untruncated"]
    rows = rows[n_objects.ge(ENOUGH_OBJECTS) & rows[column].notna()]
    if len(rows) < 2:
        return None
    centred = int(rows[f"{column}_low"].gt(0).sum())
    most, least = (
        f"“{contents.class_name(row['category'])}”, {value_of(row, column, short=True, n=row['n_images'])}"
        for row in (rows.iloc[0].to_dict(), rows.iloc[-1].to_dict())
    )
    such = "objects" if column == ALL else "such objects"
    return Finding(
        FRAMING,
        FACT,
        f"Centring holds in {centred:,} of the {len(rows):,} training categories that have {ENOUGH_OBJECTS} {such} "
        "or more.",
        f"There the whole interval of {label_of(column).lower()} is above 0. It is highest for "
        f"{most}, and lowest for {least}.",
    )


def _comparison(train: Mapping, test: Mapping, column: str) -> Finding:
    if not (known(train.get(column)) and known(test.get(column))):
        return Finding(
            FRAMING, UNKNOWN, "The two sets' centring cannot be compared: centre bias is not defined for both."
        )
    n_objects = test["n_objects" if column == ALL else "n_untruncated"]
    low, high, train_low, train_high = (row[f"{column}_{end}"] for row in (test, train) for end in ("low", "high"))
    numbers = (
        f"{label_of(column)} of the test set's objects {value_of(test, column, n=test['n_images'])}, "
        f"of the training set's {value_of(train, column, short=True, n=train['n_images'])}; "
        f"{count(n_objects, 'test object')}."
    )
    if min(test["n_images"], n_objects) < TOO_FEW_IMAGES or not all(map(known, (low, high, train_low, train_high))):
        return Finding(FRAMING, CAUTION, "Too few test images have boxes to compare the two sets' framing.", numbers)
    if high < train_low:
        return Finding(FRAMING, EFFECT, "Objects in the test set are less centred than in the training set.", numbers)
    if low > train_high:
        return Finding(FRAMING, EFFECT, "Objects in the test set are more centred than in the training set.", numbers)
    return Finding(
        FRAMING,
        NONE,
        "No difference in centring was found between the test set and the training set.",
        f"{numbers} The intervals overlap.",
    )
