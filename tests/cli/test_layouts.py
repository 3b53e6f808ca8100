"""`objects` on datasets as other tools write them: the same boxes in each format give the same numbers."""

import io
import json

import datasets
import numpy as np
import pandas as pd
import pytest
import webdataset
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


def as_coco(folder, images, file="annotations.json", key="file_name", form="{}.png"):
    content = {"images": [], "annotations": [], "categories": [{"id": n, "name": name} for n, name in enumerate(NAMES)]}
    for number, (name, (x0, y0, x1, y1, category)) in enumerate(zip(images, BOXES, strict=True)):
        content["images"].append({"id": number, key: form.format(name), "width": WIDTH, "height": HEIGHT})
        box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "category_id": NAMES.index(category)}
        content["annotations"].append({"id": number, "image_id": number} | box)
    (folder / file).write_text(json.dumps(content))
    return folder / file


def as_lvis(folder, images):
    return as_coco(folder, images, "lvis_v1_val.json", "coco_url", "http://images.example.org/images/{}.png")


def as_voc(folder, images):
    (folder / "annotations").mkdir()
    for name, (x0, y0, x1, y1, category) in zip(images, BOXES, strict=True):
        # Pixels are counted from 1, and the last ones are inside.
        edges = f"<xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        found = f"<object><name>{category}</name><bndbox>{edges}</bndbox></object>"
        (folder / "annotations" / f"{name}.xml").write_text(f"<annotation>{found}</annotation>")
    return folder


def as_imagenet(folder, images):
    """Boxes of ImageNet count pixels from 0, and the last ones are inside."""
    for name, (x0, y0, x1, y1, category) in zip(images, BOXES, strict=True):
        wnid = f"n0000000{NAMES.index(category)}"
        (folder / "train" / wnid).mkdir(parents=True, exist_ok=True)
        (folder / "Annotation" / wnid).mkdir(parents=True, exist_ok=True)
        (folder / "images" / f"{name}.png").rename(folder / "train" / wnid / f"{wnid}_{name[1:]}.png")
        edges = f"<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1 - 1}</xmax><ymax>{y1 - 1}</ymax>"
        found = f"<object><name>{wnid}</name><bndbox>{edges}</bndbox></object>"
        (folder / "Annotation" / wnid / f"{wnid}_{name[1:]}.xml").write_text(f"<annotation>{found}</annotation>")
    return folder / "train"


def as_tiny_imagenet(folder, images):
    for name, (x0, y0, x1, y1, category) in zip(images, BOXES, strict=True):
        wnid = f"n0000000{NAMES.index(category)}"
        place = folder / "train" / wnid
        (place / "images").mkdir(parents=True, exist_ok=True)
        (folder / "images" / f"{name}.png").rename(place / "images" / f"{wnid}_{name[1:]}.png")
        with open(place / f"{wnid}_boxes.txt", "a") as boxes:
            boxes.write(f"{wnid}_{name[1:]}.png\t{x0}\t{y0}\t{x1 - 1}\t{y1 - 1}\n")
    return folder / "train"


def frame_of(images):
    frame = pd.DataFrame(BOXES, columns=["x0", "y0", "x1", "y1", "label"])
    return frame.assign(path=[f"images/{name}.png" for name in images])


def as_csv(folder, images):
    frame_of(images).to_csv(folder / "boxes.csv", index=False)
    return folder / "boxes.csv"


def as_parquet(folder, images):
    frame_of(images).to_parquet(folder / "boxes.parquet", index=False)
    return folder / "boxes.parquet"


def objects_in(box):
    x0, y0, x1, y1, category = box
    return {"bbox": [[x0, y0, x1 - x0, y1 - y0]], "category": [category]}


def contents(folder, images):
    return [(folder / "images" / f"{name}.png").read_bytes() for name in images]


def as_image_folder(folder, images):
    rows = [{"file_name": f"{name}.png", "objects": objects_in(box)} for name, box in zip(images, BOXES, strict=True)]
    (folder / "images" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "images"


def as_webdataset(folder, images):
    with webdataset.TarWriter(str(folder / "all.tar")) as writer:
        for name, content, box in zip(images, contents(folder, images), BOXES, strict=True):
            writer.write({"__key__": name, "png": content, "json": {"label": box[4], "objects": objects_in(box)}})
    return folder / "all.tar"


def hub_set(folder, images):
    table = {
        "image": [Image.open(io.BytesIO(content)) for content in contents(folder, images)],
        "objects": list(map(objects_in, BOXES)),
    }
    return datasets.Dataset.from_dict(table).cast_column("image", datasets.Image())


def as_hub_parquet(folder, images):
    hub_set(folder, images).to_parquet(folder / "train.parquet")
    return folder / "train.parquet"


def as_saved(folder, images):
    hub_set(folder, images).save_to_disk(folder / "saved")
    return folder / "saved"


WRITERS = (
    as_yolo,
    as_open_images,
    as_fiftyone,
    as_coco,
    as_lvis,
    as_voc,
    as_imagenet,
    as_tiny_imagenet,
    as_csv,
    as_parquet,
    as_image_folder,
    as_webdataset,
    as_hub_parquet,
    as_saved,
)


@pytest.mark.parametrize("write", WRITERS)
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
