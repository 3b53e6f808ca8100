import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Networks this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def random_pixels():
    """Makes uint8 images (N, W, W, 3)."""

    def make(n, size, seed=0):
        return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)

    return make


@pytest.fixture
def small_network():
    """Makes a small convolutional classifier; the same seed gives the same weights."""

    def make(n_classes=5, seed=0):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return torch.nn.Sequential(
                torch.nn.Conv2d(3, 8, 3, stride=2),
                torch.nn.BatchNorm2d(8),
                torch.nn.ReLU(inplace=True),
                torch.nn.AdaptiveAvgPool2d(1),
                torch.nn.Flatten(),
                torch.nn.Dropout(0.5),
                torch.nn.Linear(8, n_classes),
            )

    return make


@pytest.fixture
def imagenet_sample():
    """The 100 photographs of the sample as (WordNet id, RGB image); needs BIAS_TOOLKIT_DATA."""
    folder = os.environ.get("BIAS_TOOLKIT_DATA")
    path = Path(folder or ".") / "imagenet-sample-100.tar"
    if not folder or not path.is_file():
        pytest.skip("BIAS_TOOLKIT_DATA does not name a folder with imagenet-sample-100.tar")

    def read():
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".JPEG"):
                    image = Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")
                    yield Path(member.name).name.split("_")[0], image

    return read
