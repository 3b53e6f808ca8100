"""Models that are given in Python, and what is said of labels that are integers."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from bias_toolkit import InputError, Study, load_model
from bias_toolkit.study.record import read_record

SIDE = 16
N_CLASSES = 12
COLOURS = np.random.default_rng(1).permutation([(r, g, b) for r in (0, 255) for g in (0, 128, 255) for b in (0, 255)])


class Colours(nn.Module):
    """Knows plain colours: class `order[i]` is that of colour i. The logits are taken `scale` times."""

    input_size, mean, std = SIDE, (0, 0, 0), (1, 1, 1)

    def __init__(self, order=range(N_CLASSES), scale=40.0, sigmoid=False):
        super().__init__()
        colours = torch.tensor(COLOURS[np.argsort(list(order))]).float() / 255
        self.fc = nn.Linear(3, N_CLASSES)
        self.fc.weight.data, self.fc.bias.data = 2 * colours, -(colours**2).sum(1)
        self.scale, self.sigmoid = scale, sigmoid

    def forward(self, x):
        logits = self.fc(x.mean((2, 3))) * self.scale
        return torch.sigmoid(logits) if self.sigmoid else logits


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Makes sets of plain colours in folders that are named by numbers from `first`."""

    def make(first):
        root = tmp_path_factory.mktemp("colours")
        rng = np.random.default_rng(0)
        for split, n in (("train", 2), ("val", 3)):
            for number, colour in enumerate(COLOURS):
                (root / split / str(number + first)).mkdir(parents=True)
                for image in range(n):
                    pixels = np.clip(colour + rng.normal(0, 8, (20, 20, 3)), 0, 255).astype(np.uint8)
                    Image.fromarray(pixels).save(root / split / str(number + first) / f"{image}.png")
        return {"train": root / "train", "test": root / "val"}

    return make


@pytest.fixture(scope="module")
def numbered(folders):
    return folders(0)


def swept(folder, sets, model, fast, **more):
    return Study(folder, **sets, model=model, **fast | more).sweep()


def test_a_network_from_memory(numbered, fast, tmp_path):
    told = []
    study = swept(tmp_path / "study", numbered, Colours(), fast, when_read=told.extend)
    assert study.measures["accuracy"].eq(1).all()
    assert study.label_record["how"] == "index"
    assert "in the order of the numbers" in " ".join(told)
    record = read_record(tmp_path / "study").model
    assert (record.spec, record.in_memory, record.opened.name) == ("Colours", True, "Colours")

    # Its results can be read without it, and the same network has computed them.
    assert Study(tmp_path / "study").measures.equals(study.measures)
    for same in (Colours(), load_model(Colours(), runtime="torch")):
        assert swept(tmp_path / "study", numbered, same, {}).computed == []
    # Another one has not, and without one there is nothing to compute with.
    assert "measures" in swept(tmp_path / "study", numbered, Colours(scale=20.0), {}).computed
    with pytest.raises(InputError, match=r"The model Colours of .* was given in Python, from memory, .*--model"):
        Study(tmp_path / "study", feature="fc").embed()


def test_a_function_from_memory(numbered, fast, tmp_path):
    network = Colours().eval().requires_grad_(False)

    def mine(images):
        return network(images)

    with pytest.raises(InputError, match=r"The function .*mine does not show its weights.*identity=TEXT"):
        swept(tmp_path / "study", numbered, mine, fast)
    more = {"input_size": SIDE, "preprocessing": load_model(Colours(), runtime="torch").preprocessing}
    study = swept(tmp_path / "study", numbered, load_model(mine, identity="1", **more), fast)
    assert study.measures["accuracy"].eq(1).all()
    assert swept(tmp_path / "study", numbered, load_model(mine, identity="1", **more), {}).computed == []
    assert swept(tmp_path / "study", numbered, load_model(mine, identity="2", **more), {}).computed != []


def test_accuracy_at_chance_is_told_of_an_order_that_was_not_the_models(numbered, fast, tmp_path):
    as_texts = [sorted(map(str, range(N_CLASSES))).index(str(number)) for number in range(N_CLASSES)]
    study = swept(tmp_path / "right", numbered, Colours(), fast)
    assert "chance" not in study.label_record["sentence"]
    wrong = np.roll(np.arange(N_CLASSES), 1)
    study = swept(tmp_path / "wrong", numbered, Colours(wrong), fast)
    assert "The model is right on 0 of 36 images" in study.label_record["sentence"]
    assert study.label_record["sentence"].endswith("--label-map")
    # With the file that it asks for, an order of texts is right.
    (tmp_path / "map.csv").write_text("label,class\n" + "".join(f"{i},{each}\n" for i, each in enumerate(as_texts)))
    study = swept(tmp_path / "texts", numbered, Colours(as_texts), fast, label_map=str(tmp_path / "map.csv"))
    assert study.measures["accuracy"].eq(1).all()


def test_folders_from_1_are_no_indices(folders, fast, tmp_path):
    study = swept(tmp_path / "study", folders(1), Colours(), fast)
    assert study.measures["accuracy"].isna().all()
    assert (
        "12 labels are integers from 1 to 12, but not all of the indices from 0 to 11" in study.label_record["sentence"]
    )


def test_independent_probabilities_are_measured_as_they_are(numbered, fast, tmp_path):
    told = []
    network = Colours(scale=4.0, sigmoid=True)
    study = swept(tmp_path / "study", numbered, network, fast, when_read=told.extend)
    assert any("independent probabilities" in sentence for sentence in told)
    image = study.measures.iloc[0]
    pixels = torch.from_numpy(study.results.sweep_views(image["image_id"])).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        expected = network(pixels)
    assert image["confidence"] == pytest.approx(float(expected[4].max()), abs=1e-5)
    assert float(expected[4].sum()) > 1.1
    again = swept(tmp_path / "study", numbered, network, {}, outputs="logits")
    assert "measures" in again.computed
    softmax = torch.softmax(expected[4], 0)
    assert again.measures.iloc[0]["confidence"] == pytest.approx(float(softmax.max()), abs=1e-5)


def test_a_training_of_independent_outputs_is_refused(numbered, fast, tmp_path):
    with pytest.raises(InputError, match="--train-epochs trains for one class an image, but the outputs"):
        Study(
            tmp_path / "study", **numbered, model=Colours(scale=4.0, sigmoid=True), train_epochs=1, **fast
        ).measure_remedies()
