"""The model's outputs on any view of any image, made as sweeps and remedies make them."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from bias_toolkit.datasets import ReducedImage
from bias_toolkit.datasets.pixels import pixels_of
from bias_toolkit.explain.context import names_of, readable
from bias_toolkit.explain.instability import most_likely
from bias_toolkit.explain.neighbourhood import MAP_RADIUS
from bias_toolkit.explain.request import image_file
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.invariance import Picture, Sweep, sweep_picture, sweep_reduction, sweep_window, take_picture
from bias_toolkit.invariance.remedies.blur import blurred
from bias_toolkit.invariance.remedies.low_pass import LowPass
from bias_toolkit.invariance.response import check_finite

if TYPE_CHECKING:
    from bias_toolkit.models import Model
    from bias_toolkit.study.inputs import Inputs
    from bias_toolkit.study.results import Results

MOST_PLACES = 289
MOST_BLUR = 4.0
MOST_BYTES = 64 * 2**20
"""Of a photograph of the reader's own."""
NO_FILTER = 1
PICTURES_KEPT, IMAGES_KEPT = 16, 2


class Shown(BaseModel):
    """A picture that the page asks for: an image, how it is shown, and the standard deviation of a blur in pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = Field(max_length=4096)
    protocol: Literal["crop", "embed"]
    size: float = Field(gt=0, le=1000)
    fill: str = Field(max_length=20)
    blur: float = Field(ge=0, le=MOST_BLUR)


class Asked(Shown):
    """Views that the page asks for: places, as pixels to the right and down, and the size of filters in the network."""

    low_pass: Literal[1, 3, 5]
    places: list[tuple[int, int]] = Field(min_length=1, max_length=MOST_PLACES)


class LiveViews:
    """The outputs of a study's model on views of its test images, and of one photograph of the reader's own at a time.

    Its methods may be called from several threads. They raise InputError if the study has no such image, the image
    cannot be read, or the settings are not allowed.
    """

    def __init__(self, inputs: Inputs, results: Results) -> None:
        self.model: Model = inputs.model
        self.side = self.model.input_size
        self.radius = max(MAP_RADIUS, self.side // 4)
        self.sweep = inputs.reference_sweep or Sweep("crop", "diagonal", 1.0)
        self.images = results.images("test").set_index("image_id")
        self.names = names_of(self.model, inputs.label_match.indices, inputs.test.class_names)
        self._inputs, self._results = inputs, results
        self._own: dict[str, tuple[str, bytes, int, int]] = {}
        self._running, self._building = Lock(), Lock()
        self._networks: dict[int, Model | None] = {NO_FILTER: self.model}
        self._decoded = lru_cache(IMAGES_KEPT)(self._decode)
        self._near = lru_cache(PICTURES_KEPT)(self._make_near)
        self._wide = lru_cache(PICTURES_KEPT)(self._make_wide)
        self._blurred = lru_cache(PICTURES_KEPT)(lambda *key, blur: blurred(self._wide(*key), blur))

    @property
    def filters(self) -> list[int]:
        """The sizes of low-pass filters that the network can get; `NO_FILTER` always."""
        from bias_toolkit.models import subsampling_layers

        try:
            has_layers = bool(subsampling_layers(self.model.module, self.side))
        except InputError:
            has_layers = False
        return [NO_FILTER, 3, 5] if has_layers else [NO_FILTER]

    def take(self, content: bytes, name: str = "your photograph") -> str:
        """Take the content of an image file as the reader's own photograph, instead of the last; returns its id."""
        try:
            width, height = pixels_of(content)[1:3]
        except UnreadableImageError as error:
            raise InputError(f"{name[:1].upper()}{name[1:]} cannot be read as an image ({error}).") from error
        # No image of a dataset has an id that begins with a slash.
        image = f"/{int(max(self._own, default='/0')[1:]) + 1}"
        self._own = {image: (name, content, width, height)}
        return image

    def find(self, image: str) -> str:
        """The id of a test image, by its id or path; any other image file is taken as the reader's own photograph."""
        if (image_id := self._results.test_image(image)) is not None:
            return image_id
        path = image_file(image, {}, self.images.index[0])
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} has more than {MOST_BYTES // 2**20} MB; name a smaller file.")
        return self.take(path.read_bytes(), path.name)

    def answer(self, asked: Asked) -> dict[str, Any]:
        """The five most probable classes of each view with their probabilities, as JSON values.

        Beside them are the right class, None if it is not known, and a line on the image.
        """
        places = np.array(asked.places)
        if np.abs(places).max() > self.radius:
            raise InputError(f"The view moves by at most {self.radius} pixels to each side.")
        views = self._picture(asked, int(np.abs(places).max())).views(places)
        network = self._network(asked.low_pass)
        with self._running:
            outputs = network.evaluate(views.pixels, views.blank)
        check_finite(*outputs, asked.image)
        likely, shares = most_likely(outputs.probabilities)
        label = None if asked.image in self._own else self.images.loc[asked.image, "label"]
        label = label if isinstance(label, str) else None
        name = self._own[asked.image][0] if asked.image in self._own else asked.image
        return {
            "likely": likely.tolist(),
            "shares": shares.tolist(),
            "right": self._inputs.label_match.indices.get(label),
            "about": f"{name}: {readable(label, self._inputs.test.class_names) or 'no label'}",
        }

    def png(self, shown: Shown) -> bytes:
        """The picture of which the views are squares, `side` + 2 `radius` pixels a side, as PNG."""
        file = BytesIO()
        Image.fromarray(self._picture(shown, self.radius).pixels).save(file, "PNG", compress_level=1)
        return file.getvalue()

    def _picture(self, shown: Shown, farthest: int) -> Picture:
        """The picture of views that are moved by at most `farthest` pixels."""
        sweep = self._sweep_of(shown)
        if shown.blur:
            return self._blurred(shown.image, sweep, blur=shown.blur)
        return (self._near if farthest <= MAP_RADIUS else self._wide)(shown.image, sweep)

    def _sweep_of(self, shown: Shown) -> Sweep:
        """The sweep with the settings that the page asks for; the others are those of the study."""
        own = {"size": shown.size, "fill": shown.fill}
        if shown.protocol == self.sweep.protocol:
            sweep = dataclasses.replace(self.sweep, **own)
        else:
            sweep = Sweep(shown.protocol, "diagonal", **own)
        if sweep.size > self.side:
            raise InputError(f"Size {sweep.size:g} leaves nothing of the photograph; {self.side} is the largest.")
        return sweep

    def _make_near(self, image: str, sweep: Sweep) -> Picture:
        width, height = self._size(image)
        pixels = self._decoded(image, sweep_reduction(sweep, self.side, image)(width, height))
        return sweep_picture(pixels, sweep, self.side, image, MAP_RADIUS)

    def _make_wide(self, image: str, sweep: Sweep) -> Picture:
        """The picture with the largest margin, whose middle is the near picture."""
        near, (width, height) = self._near(image, sweep), self._size(image)
        pixels = self._decoded(image, sweep_reduction(sweep, self.side, image)(width, height))
        wide = take_picture(pixels, sweep_window(width, height, sweep, self.side, image), self.radius, near.fill)
        more = self.radius - MAP_RADIUS
        middle = slice(more, more + len(near.pixels))
        for all_pixels, inner in ((wide.pixels, near.pixels), (wide.outside, near.outside)):
            all_pixels[middle, middle] = inner
        return wide

    def _size(self, image: str) -> tuple[int, int]:
        if image in self._own:
            return self._own[image][2:]
        if image not in self.images.index:
            raise InputError("The study has no test image of this name.")
        width, height = self.images.loc[image, ["width", "height"]]
        return int(width), int(height)

    def _decode(self, image: str, factor: int) -> ReducedImage:
        """An image, decoded at 1/`factor` of its size where its format allows that."""
        if image in self._own:
            return pixels_of(self._own[image][1], lambda width, height: factor)
        try:
            return self._inputs.test.read_reduced(image, lambda width, height: factor)
        except UnreadableImageError as error:
            raise InputError(f"{image} cannot be read as an image ({error}).") from error

    def _network(self, size: int) -> Model:
        """The model, with low-pass filters of this size in its network."""
        with self._building:
            if size not in self._networks:
                self._networks[size] = LowPass(size).network(self.model)
            network = self._networks[size]
        if network is None:
            raise InputError("This network has no layer that could get a low-pass filter.")
        return network
