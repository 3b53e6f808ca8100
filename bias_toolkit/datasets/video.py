"""The frames of video files, read with PyAV.

A frame's id is its video's path, `#`, and its number from 0 in six digits or more: `walk.mp4#000010`. Frames are RGB,
turned upright as the file says. A file is opened as what its name says, so that no list of other files is followed.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bias_toolkit.datasets.image_facts import Header, ReducedImage, Reduction
from bias_toolkit.datasets.image_file import check_pixels, open_regular
from bias_toolkit.datasets.stamps import file_stamps
from bias_toolkit.foundation.errors import InputError, UnreadableImageError

VIDEO_FORMATS = {
    ".mp4": "mov",
    ".m4v": "mov",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "matroska",
    ".avi": "avi",
}
"""FFmpeg's name of the format by the ending of a file."""

_NEAR = 64
"""Frames that are decoded and passed over, rather than going back to a key frame."""


def is_video_name(name: str) -> bool:
    """Whether a file of this name counts as a video: a known ending, and not hidden."""
    return os.path.splitext(name)[1].lower() in VIDEO_FORMATS and not name.startswith(".")


def frame_id(video: str, number: int) -> str:
    """The id of a frame of a video."""
    return f"{video}#{number:06d}"


@dataclass(frozen=True)
class Video:
    """The times of a video's frames, in the order in which they are shown, and the upright size in pixels."""

    times: Sequence[int]
    width: int
    height: int


def probe(file: Path) -> Video:
    """Read a video's list of frames and decode the first; raises UnreadableImageError."""
    with _decoding():
        container, stream = _opened(file)
        with container:
            packets = container.demux(stream)
            times = sorted({packet.pts for packet in packets if packet.size and packet.pts is not None})
        container, stream = _opened(file)
        with container:
            check_pixels(stream.width, stream.height)
            first = next(container.decode(stream), None)
            if first is None or not times:
                raise UnreadableImageError("it has no frame, or its frames have no times")
            height, width = _pixels(first).shape[:2]
    return Video(times, width, height)


class VideoFrames:
    """The pixels of frames of videos below a folder; a `dataset.PixelSource`. Each thread keeps one video open."""

    def __init__(self, root: Path, videos: dict[str, Video]) -> None:
        self._root, self._videos = root, videos
        self._open = threading.local()

    def header(self, image_id: str) -> Header:
        """Size of an upright frame, which was read when the dataset was opened; raises UnreadableImageError."""
        name, _ = self._parts(image_id)
        if not (self._root / name).is_file():
            raise UnreadableImageError("the video is not there", transient=True)
        return Header(self._videos[name].width, self._videos[name].height)

    def read(self, image_id: str) -> np.ndarray:
        """Upright RGB pixels, uint8 (height, width, 3); raises UnreadableImageError. Fast for consecutive frames."""
        name, number = self._parts(image_id)
        if getattr(self._open, "name", None) != name:
            self._open.name, self._open.reader = name, _Reader(self._root / name, self._videos[name].times)
        try:
            return self._open.reader.frame(number)
        except UnreadableImageError:
            self._open.name = None
            raise

    def read_reduced(self, image_id: str, reduction: Reduction) -> ReducedImage:
        """The frame at full size."""
        pixels = self.read(image_id)
        return ReducedImage(pixels, pixels.shape[1], pixels.shape[0])

    def source(self, image_id: str) -> str:
        """The video's file, with every link resolved, and the frame's number."""
        name, number = self._parts(image_id)
        return frame_id(os.path.realpath(self._root / name), number)

    def stamp(self, image_ids: Sequence[str]) -> bytes:
        """Size and time of change of each video."""
        names = dict.fromkeys(self._parts(image_id)[0] for image_id in image_ids)
        return file_stamps([self._root / name for name in names])

    def _parts(self, image_id: str) -> tuple[str, int]:
        name, _, number = image_id.rpartition("#")
        return name, int(number)


class _Reader:
    """A video that is open at some frame."""

    def __init__(self, file: Path, times: Sequence[int]) -> None:
        self._times, self._at, self._frames = times, None, iter(())
        with _decoding():
            self._container, self._stream = _opened(file)

    def frame(self, number: int) -> np.ndarray:
        """The pixels of a frame; raises UnreadableImageError."""
        time = self._times[number]
        with _decoding():
            if self._at is None or not self._at < number <= self._at + _NEAR:
                # To the last key frame before it.
                self._container.seek(time, stream=self._stream)
                self._frames = self._container.decode(self._stream)
            self._at = number
            found = next((frame for frame in self._frames if frame.pts is not None and frame.pts >= time), None)
            if found is None or found.pts != time:
                raise UnreadableImageError(f"frame {number} of the video cannot be decoded")
            return _pixels(found)


def _opened(file: Path) -> tuple[Any, Any]:
    """A video and its first stream of pictures; raises UnreadableImageError, or InputError without PyAV."""
    try:
        import av
    except ImportError as error:
        raise InputError("To read videos, install PyAV: pip install 'bias-toolkit[video]'") from error
    try:
        content = open_regular(os.fspath(file))
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error), transient=True) from error
    container = av.open(content, format=VIDEO_FORMATS[file.suffix.lower()])
    if not container.streams.video:
        raise UnreadableImageError("it has no stream of pictures")
    return container, container.streams.video[0]


@contextmanager
def _decoding() -> Iterator[None]:
    """Say a fault of FFmpeg's as an UnreadableImageError."""
    try:
        yield
    except (InputError, UnreadableImageError):
        raise
    except Exception as error:  # many of FFmpeg's are of no other kind
        # FFmpeg says of a seek that failed that it is not permitted.
        reason = None if isinstance(error, PermissionError) else getattr(error, "strerror", None)
        raise UnreadableImageError(f"the video cannot be decoded: {reason or 'it is damaged'}") from error


def _pixels(frame: Any) -> np.ndarray:
    """A decoded frame as upright RGB, uint8 (height, width, 3)."""
    # FFmpeg gives the rotation counter-clockwise, as NumPy turns.
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)))
