"""Clips, for the protocol `frames`: videos, or folders of frames in the order of their names.

The path is a video, or a folder that holds videos; or, if this layout is asked for, a folder of frames, or of such
folders. An image of the dataset is an anchor: the middle of a window of `WINDOW` consecutive frames of a clip. Windows
do not overlap. A clip that has fewer frames is listed as skipped. The label is the first folder of a clip's path below
the dataset's folder; a clip that lies directly in it has none.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import escaped
from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import Annotations, Listing
from bias_toolkit.datasets.pixels import ImageFiles
from bias_toolkit.datasets.video import VideoFrames, frame_id, is_video_name, probe
from bias_toolkit.datasets.walk import holds_image, walk_images
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.words import count

REACH = 10
"""Frames before and after an anchor: k of Shankar et al., ICCV 2021."""
WINDOW = 2 * REACH + 1


def clip_of(image_id: str) -> str:
    """The clip of a frame: its video, or its folder; empty if the frames lie directly in the dataset's folder."""
    video, _, number = image_id.rpartition("#")
    return video if number.isdecimal() and is_video_name(video) else image_id.rpartition("/")[0]


def _recognise(path: Path, asked: bool) -> str | None:
    if path.is_file():
        return "a video" if is_video_name(path.name) else None
    has_images = holds_image(path)
    if (asked or not has_images) and next(_videos(path), None):
        return "it holds videos"
    return "its images are frames" if asked and has_images else None


def _videos(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in filter(is_video_name, files):
            yield os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/")


def _read(path: Path, reason: str) -> Dataset:
    root = path.parent if path.is_file() else path
    names = [path.name] if path.is_file() else sorted(_videos(path))
    unlisted, stamped, pixels = [], [], ImageFiles(str(root))
    if names:
        videos = {}
        for name in names:
            try:
                videos[name] = probe(root / name)
            except UnreadableImageError as error:
                unlisted.append((escaped(name), str(error)))
        clips = {name: [frame_id(name, n) for n in range(len(video.times))] for name, video in videos.items()}
        pixels = VideoFrames(root, videos)
    else:
        image_ids, unlisted = walk_images(root)
        clips = {}
        for image_id in image_ids:
            clips.setdefault(clip_of(image_id), []).append(image_id)
        stamped = [root / image_id for image_id in image_ids]
    frames = {}
    for name, ids in clips.items():
        if len(ids) < WINDOW:
            unlisted.append((name or ".", f"it has {count(len(ids), 'frame')}, and a window has {WINDOW}"))
        for start in range(0, len(ids) - WINDOW + 1, WINDOW):
            frames[ids[start + REACH]] = ids[start : start + WINDOW]
    if not frames:
        raise InputError(
            f"{path} has no clip of {WINDOW} frames or more (the first, {unlisted[0][0]}: {unlisted[0][1]})"
        )
    anchors = sorted(frames)
    labels = [clip_of(anchor).partition("/") for anchor in anchors]
    annotations = Annotations([first if below else None for first, below, _ in labels])
    n_clips = len({clip_of(anchor) for anchor in anchors})
    alike = (
        f"The {len(anchors):,} images are of {count(n_clips, 'clip')}. Frames of one clip are alike, so that intervals"
    )
    notes = (
        [Note(f"{alike} over images, other than those of frames, are too narrow.", True)]
        if n_clips < len(anchors)
        else []
    )
    listing = Listing(
        str(path), LAYOUT.name, reason, anchors, lambda progress: annotations,
        stamped_files=stamped, unlisted=unlisted, notes=notes, frames=frames,
    )  # fmt: skip
    return Dataset(listing, pixels)


LAYOUT = Layout(
    "clips", "a video, a folder of videos, or a folder of frames or of folders of frames", _recognise, _read
)
