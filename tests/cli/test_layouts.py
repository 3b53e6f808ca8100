"""`objects` on datasets as other tools write them: the same boxes in each format give the same numbers."""

import json

import numpy as np
import pytest
from PIL import Image

FAST = ["--resamples", "100", "--permutations", "100", "--placements", "100", "--json"]
WIDTH, HEIGHT = 40, 32
# Left, top, right and bottom in pixels, and the class.
BOXES = [(4, 4, 20, 12, "cat"), (10, 8, 30, 24, "dog"), (0, 0, 8, 32, "cat"), (20, 16, 40, 32, "dog")]
NAMES = ["cat", "dog"]


def fractions(box):
    return np.array(box[:4]) / [WIDTH, HEIGHT, WIDTH, HEIGHT]


def as_yolo(folder, images):
    (folder / "data.yaml").write_text("train: images\nval: images\nnames: [cat, dog]")
    (folder / "labels").mkdir()
    for name, box in zip(images, BOXES, strict=True):
        x0, y0, x1, y1 = fractions(box)
        row = (NAMES.index(box[4]), (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
        (folder / "labels" / f"{name}.txt").write_text(" ".join(map(str, row)))
    return folder / "data.yaml"


def as_open_images(folder, images):
    lines = ["ImageID,LabelName,XMin,XMax,YMin,YMax"]
    for name, box in zip(images, BOXES, strict=True):
        x0, y0, x1, y1 = fractions(box)
        lines.append(f"{name},{box[4]},{x0},{x1},{y0},{y1}")
    (folder / "boxes.csv").write_text("\n".join(lines))
    return folder / "boxes.csv"


def as_fiftyone(folder, images):
    samples = []
    for name, box in zip(images, BOXES, strict=True):
        x0, y0, x1, y1 = fractions(box)
        found = {"_cls": "Detection", "label": box[4], "bounding_box": [x0, y0, x1 - x0, y1 - y0]}
        detections = {"_cls": "Detections", "detections": [found]}
        samples.append({"filepath": f"images/{name}.png", "ground_truth": detections})
    (folder / "metadata.json").write_text("{}")
    (folder / "samples.json").write_text(json.dumps({"samples": samples}))
    return folder


def as_lvis(folder, images):
    content = {"images": [], "annotations": [], "categories": [{"id": n, "name": name} for n, name in enumerate(NAMES)]}
    for number, (name, (x0, y0, x1, y1, category)) in enumerate(zip(images, BOXES, strict=True)):
        url = f"http://images.example.org/images/{name}.png"
        content["images"].append({"id": number, "coco_url": url, "width": WIDTH, "height": HEIGHT})
        box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "category_id": NAMES.index(category)}
        content["annotations"].append({"id": number, "image_id": number} | box)
    (folder / "lvis_v1_val.json").write_text(json.dumps(content))
    return folder / "lvis_v1_val.json"


@pytest.mark.parametrize("write", [as_yolo, as_open_images, as_fiftyone, as_lvis])
def test_the_boxes_are_those_that_were_written(run, tmp_path, write):
    images = [f"a{number}" for number in range(len(BOXES))]
    (tmp_path / "images").mkdir()
    for name in images:
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "images" / f"{name}.png")
    code, out, err = run("objects", write(tmp_path, images), *FAST)
    assert code == 0, err
    x0, y0, x1, y1 = np.array([box[:4] for box in BOXES], float).T
    for row, of in zip(json.loads(out)["dataset"], ([0, 1, 2, 3], [0, 2], [1, 3]), strict=True):
        width, height = (x1 - x0)[of], (y1 - y0)[of]
        assert row["n_objects"] == len(of)
        assert row["mean_cx"] == pytest.approx((x0 + x1)[of].mean() / 2 / WIDTH, abs=1e-6)
        assert row["mean_cy"] == pytest.approx((y0 + y1)[of].mean() / 2 / HEIGHT, abs=1e-6)
        assert row["median_scale"] == pytest.approx(np.median(np.sqrt(width * height / WIDTH / HEIGHT)), abs=1e-6)
        assert row["median_aspect"] == pytest.approx(np.median(width / height), abs=1e-6)
