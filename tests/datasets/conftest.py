"""Small trees of files, and tables as plain rows."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_image(tmp_path):
    """A function that writes a small image below tmp_path, of a given size, and returns its path."""

    def make(name, size=(10, 8), colour=(200, 30, 60), **save_options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(path, **save_options)
        return path

    return make


@pytest.fixture
def make_text(tmp_path):
    """A function that writes a text file below tmp_path, and returns its path."""

    def make(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return make


@pytest.fixture
def rows():
    """A function that turns a table into a list of tuples, with None for missing values."""

    def plain(table):
        table = table.astype(object)
        return list(table.where(table.notna(), None).itertuples(index=False, name=None))

    return plain


@pytest.fixture
def voc_xml():
    """A function that writes Pascal VOC's XML for objects given as (name, xmin, ymin, xmax, ymax)."""

    def write(*objects):
        parts = [
            f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
            f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
            for name, x0, y0, x1, y1 in objects
        ]
        return f"<annotation><size><width>10</width><height>8</height></size>{''.join(parts)}</annotation>"

    return write


@pytest.fixture
def picture():
    """A picture without any symmetry: uint8 (6, 9, 3)."""
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
