"""Write a changed network as files that the toolkit and torch can load: its weights, and a function that builds it."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from bias_toolkit.foundation.files import atomic_path, write_text

FACTORY = '''"""A network that bias-toolkit has made. It needs bias-toolkit, and {weights} in the same folder.

In Python: `from {module} import network`. With the toolkit, in this folder: `--model {module}:model`.
"""

from pathlib import Path

from bias_toolkit.models import Model, load_model, low_pass

WEIGHTS = Path(__file__).resolve().parent / {weights!r}


def model() -> Model:
    """The classifier with its preprocessing and class names."""
    loaded = load_model({spec!r}, weights=WEIGHTS, outputs={outputs!r}, runtime="torch")
    return loaded.with_module(low_pass(loaded.module, {filter_size}, input_size=loaded.input_size), loaded.name)


def network():
    """The torch.nn.Module, in eval mode: normalised images (N, 3, W, W) to {outputs}."""
    return model().module
'''


def write_weights(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict as safetensors. Raises OSError, as `atomic_path` does, where it cannot be written."""
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    with atomic_path(path) as temporary:
        # safetensors' own writing has errors without a number, from which a full disk cannot be told.
        temporary.write_bytes(content)


def write_factory(path: Path, spec: str, weights: str, filter_size: int, outputs: str) -> None:
    """Write a module whose function `network` builds the network, and `model` the toolkit's classifier.

    `spec` is the model's name, `weights` the name of the file of its tensors in the same folder. `filter_size` is that
    of its low-pass filters (`low_pass`), 1 for none. `outputs` says what the network returns, one of `OUTPUTS`.
    """
    filled = {"module": path.stem, "spec": spec, "weights": weights, "filter_size": filter_size, "outputs": outputs}
    write_text(FACTORY.format(**filled), path)
