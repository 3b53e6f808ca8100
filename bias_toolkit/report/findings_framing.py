"""What can be said about how the subjects of a dataset are framed."""

from __future__ import annotations

from collections.abc import Mapping

from bias_toolkit.report.contents import ReportContents, by_category, whole_dataset
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
from bias_toolkit.report.formatting import count, interval, known, number, p_value, percent

ENOUGH_OBJECTS = 20
OFTEN_TRUNCATED = 0.1


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
    found = [_centring(row), _untruncated(row), _scale(row), _categories(contents)]
    test = whole_dataset(contents.test_summary)
    found.append(
        _comparison(row, test)
        if test is not None
        else Finding(
            FRAMING,
            UNKNOWN,
            "The test set's framing cannot be compared with the training set's: it has no object boxes.",
        )
    )
    return [finding for finding in found if finding is not None]


def _centring(row: Mapping) -> Finding:
    based_on = f"{count(row['n_objects'], 'object')} in {count(row['n_images'], 'image')}"
    if not known(row["centre_bias"]):
        return Finding(
            FRAMING,
            UNKNOWN,
            "Whether objects in the training set are centred cannot be said.",
            f"No box could have been elsewhere in its image ({based_on}).",
        )
    numbers = f"Centre bias {value_of(row, 'centre_bias')}; {p_value(row['p_value'])}; {based_on}."
    if row["n_images"] < TOO_FEW_IMAGES:
        return Finding(
            FRAMING, CAUTION, "Too few training images have boxes to say whether objects are centred.", numbers
        )
    direction = sign(row["centre_bias_low"], row["centre_bias_high"])
    if direction == 1:
        return Finding(
            FRAMING,
            EFFECT,
            "Objects in the training set are centred.",
            f"They lie {percent(row['centre_bias'], 0)} nearer to the image's centre than boxes of the same sizes "
            f"placed by chance. {numbers}",
        )
    if direction == -1:
        return Finding(
            FRAMING,
            EFFECT,
            "Objects in the training set keep away from the centre.",
            f"They lie {percent(-row['centre_bias'], 0)} farther from the image's centre than boxes of the same "
            f"sizes placed by chance. {numbers}",
        )
    if direction == 0:
        return Finding(
            FRAMING, NONE, "No centring was found in the training set.", f"{numbers} The interval includes 0."
        )
    return Finding(FRAMING, CAUTION, "Whether objects are centred has no interval to judge by.", numbers)


def _untruncated(row: Mapping) -> Finding | None:
    """What centring is where the photograph does not cut the object; None where it hardly ever does."""
    share = row.get("truncated_share")
    if not known(share) or share < OFTEN_TRUNCATED:
        return None
    why = (
        f"{percent(share, 0)} of the boxes touch the image's border. A box whose object is cut there lies at the "
        f"very end of where it fits, which counts against centring."
    )
    if not known(row.get("untruncated_centre_bias")) or row["n_untruncated"] < TOO_FEW_IMAGES:
        return Finding(FRAMING, CAUTION, "Many objects are cut by the image's border.", why)
    numbers = (
        f"Centre bias of the {count(row['n_untruncated'], 'object')} whose box does not touch it: "
        f"{value_of(row, 'untruncated_centre_bias')}; {p_value(row['untruncated_p_value'])}."
    )
    direction = sign(row["untruncated_centre_bias_low"], row["untruncated_centre_bias_high"])
    if direction == 1:
        return Finding(FRAMING, EFFECT, "Objects that are wholly in the photograph are centred.", f"{numbers} {why}")
    if direction == -1:
        claim = "Objects that are wholly in the photograph keep away from the centre as well."
        return Finding(FRAMING, EFFECT, claim, f"{numbers} {why}")
    claim = "No centring was found among objects that are wholly in the photograph."
    return Finding(FRAMING, NONE, claim, f"{numbers} {why}")


def _scale(row: Mapping) -> Finding | None:
    if not known(row.get("median_scale")):
        return None
    return Finding(
        FRAMING,
        FACT,
        f"The median training object's box covers {percent(row['median_scale'] ** 2, 0)} of its image.",
        f"Median scale {value_of(row, 'median_scale')}.",
    )


def _categories(contents: ReportContents) -> Finding | None:
    rows = by_category(contents.train_summary)
    if not len(rows):
        return None
    rows = rows[rows["n_objects"].ge(ENOUGH_OBJECTS) & rows["centre_bias"].notna()]
    if len(rows) < 2:
        return None
    centred = int(rows["centre_bias_low"].gt(0).sum())
    most, least = rows.iloc[0].to_dict(), rows.iloc[-1].to_dict()
    return Finding(
        FRAMING,
        FACT,
        f"Objects are centred in {centred:,} of the {len(rows):,} training categories that have {ENOUGH_OBJECTS} "
        "objects or more.",
        f"There the whole interval of centre bias is above 0. It is highest for "
        f"{contents.class_name(most['category'])}, {value_of(most, 'centre_bias', short=True)}, and lowest for "
        f"{contents.class_name(least['category'])}, {value_of(least, 'centre_bias', short=True)}.",
    )


def _comparison(train: Mapping, test: Mapping) -> Finding:
    if not (known(train["centre_bias"]) and known(test["centre_bias"])):
        return Finding(
            FRAMING, UNKNOWN, "The two sets' centring cannot be compared: centre bias is not defined for both."
        )
    numbers = (
        f"Centre bias of the test set {value_of(test, 'centre_bias')}, of the training set "
        f"{number(train['centre_bias'])} ({interval(train['centre_bias_low'], train['centre_bias_high'])}); "
        f"{count(test['n_objects'], 'test object')}."
    )
    limits = [test["centre_bias_low"], test["centre_bias_high"], train["centre_bias_low"], train["centre_bias_high"]]
    if test["n_images"] < TOO_FEW_IMAGES or not all(map(known, limits)):
        return Finding(FRAMING, CAUTION, "Too few test images have boxes to compare the two sets' framing.", numbers)
    if limits[1] < limits[2]:
        return Finding(FRAMING, EFFECT, "Objects in the test set are less centred than in the training set.", numbers)
    if limits[0] > limits[3]:
        return Finding(FRAMING, EFFECT, "Objects in the test set are more centred than in the training set.", numbers)
    return Finding(
        FRAMING,
        NONE,
        "No difference in centring was found between the test set and the training set.",
        f"{numbers} The intervals overlap.",
    )
