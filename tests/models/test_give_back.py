"""Networks that are written as files: what the original's outputs are is not forgotten."""

import importlib.util

import pytest
import torch
from torch import nn

from bias_toolkit.foundation.choices import OUTPUTS
from bias_toolkit.models import load_model
from bias_toolkit.models.give_back import write_factory, write_weights

NETWORK = """
from torch import nn

def network():
    pooled = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    made = nn.Sequential(pooled, nn.Flatten(), nn.Linear(4, 3), nn.{last}).eval()
    made.input_size = 32
    return made
"""


@pytest.mark.parametrize(
    ("last", "outputs"),
    [("Identity()", "independent"), ("Sigmoid()", "logits"), ("Sigmoid()", "independent"), ("Softmax(1)", "logits")],
)
def test_the_outputs_that_were_stated_are_kept(tmp_path, monkeypatch, last, outputs):
    monkeypatch.syspath_prepend(tmp_path)
    name = f"nets_{last[:3]}_{outputs}".lower()
    (tmp_path / f"{name}.py").write_text(NETWORK.format(last=last))
    original = load_model(f"{name}:network", outputs=outputs, runtime="torch")
    write_weights(original.module.state_dict(), tmp_path / "network.safetensors")
    write_factory(tmp_path / "network.py", f"{name}:network", "network.safetensors", 1, original.reading.outputs)
    spec = importlib.util.spec_from_file_location(f"given_back_{name}", tmp_path / "network.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    again = module.model()
    assert again.reading.outputs == original.reading.outputs == outputs
    assert outputs in OUTPUTS
    images = torch.rand(2, 3, 32, 32)
    scores = [each.reading.probabilities(nn.Module.__call__(each.module, images)) for each in (original, again)]
    torch.testing.assert_close(*scores)
