"""The photographs on which two studies differ most, with the classes of both models along the views."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bias_toolkit.comparison.differences import ROUNDING
from bias_toolkit.comparison.studies import Pair
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.page.blocks import PictureGroup, PicturesBlock
from bias_toolkit.report.topics.one_pixel import TRIED, view_pictures


def strips(pairs: Sequence[Pair], folder: Path) -> list[PicturesBlock]:
    """For each pair of studies on the same images, the image most in favour of each of the two, in `folder`/images."""
    blocks = []
    for number, pair in enumerate(pairs):
        if not pair.is_paired:
            continue
        differences = most_different(pair)
        groups = [
            group
            for side, rows in (
                ("less", differences[differences[HEADLINE] < -ROUNDING]),
                ("more", differences[differences[HEADLINE] > ROUNDING].iloc[::-1]),
            )
            for group in _groups(pair, rows.index[:TRIED], folder, f"pair-{number + 1}-{side}")
        ]
        if groups:
            blocks.append(_block(pair, differences, groups))
    return blocks


def most_different(pair: Pair) -> pd.DataFrame:
    """The images by their difference, second minus first, in P(top-1 change) and then in MAC, ascending."""
    second, first = pair.rows
    table = second[[HEADLINE, "mac"]].astype(float) - first[[HEADLINE, "mac"]].astype(float)
    return table.reset_index().sort_values([HEADLINE, "mac", "image_id"], kind="stable").set_index("image_id")


def _groups(pair: Pair, image_ids: Sequence[str], folder: Path, stem: str) -> list[PictureGroup]:
    """The views of the first of these images that can be read, under both models; none if there is none."""
    for image_id in image_ids:
        groups = []
        try:
            for number, study in enumerate((pair.first, pair.second), 1):
                views = study.views.views(image_id)
                row = study.views.responses[study.views.responses["image_id"].eq(image_id)].iloc[0]
                pictures = view_pictures(study.views, row, views, folder, f"{stem}-{number}")
                label = study.classes.shown(study.images.loc[image_id, "label"])
                groups.append(PictureGroup(pictures, f"{study.name}{f' on “{label}”' if label else ''}"))
        except UnreadableImageError:
            continue
        except InputError:
            # The images are not on this machine any more.
            return []
        return groups
    return []


def _block(pair: Pair, differences: pd.DataFrame, groups: Sequence[PictureGroup]) -> PicturesBlock:
    second, first = pair.second.name, pair.first.name
    change = differences[HEADLINE]
    fewer, more = int((change < -ROUNDING).sum()), int((change > ROUNDING).sum())
    return PicturesBlock(
        f"The images on which {second} and {first} differ most",
        groups,
        f"Shown is the image with the largest difference in each direction. {second} changes its class at fewer steps "
        f"on {count(fewer, 'image')}, at more steps on {count(more, 'image')}, and at as many on "
        f"{count(len(change) - fewer - more, 'image')}. Each view is one pixel of the model’s input from the last. "
        "Marked views get another class than the middle one.",
    )
