import pytest
import torch
from torch import backends

from bias_toolkit.models import full_float32, precision

needs_slots = pytest.mark.skipif(
    not hasattr(backends.cuda.matmul, "fp32_precision"), reason="this torch has no precision for each backend"
)


def settings():
    return (
        torch.get_float32_matmul_precision(),
        backends.cuda.matmul.allow_tf32,
        backends.cudnn.allow_tf32,
        backends.cudnn.deterministic,
        backends.cudnn.benchmark,
    )


@pytest.fixture(autouse=True)
def settings_as_before():
    matmul, _, convolution, deterministic, benchmark = settings()
    yield
    torch.set_float32_matmul_precision(matmul)
    backends.cudnn.allow_tf32 = convolution
    backends.cudnn.deterministic, backends.cudnn.benchmark = deterministic, benchmark


@pytest.mark.parametrize("matmul", ["highest", "high", "medium"])
@pytest.mark.parametrize("convolution", [True, False])
def test_full_precision_inside_and_the_callers_settings_after(matmul, convolution):
    torch.set_float32_matmul_precision(matmul)
    backends.cudnn.allow_tf32 = convolution
    backends.cudnn.deterministic, backends.cudnn.benchmark = False, True
    before = settings()
    with full_float32():
        assert backends.cudnn.deterministic
        assert not backends.cudnn.benchmark
    assert settings() == before


@needs_slots
def test_no_backend_may_take_a_shortcut_inside():
    torch.set_float32_matmul_precision("medium")
    with full_float32():
        for backend in (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul, backends.mkldnn.conv):
            assert backend.fp32_precision == "ieee"


def test_settings_come_back_after_an_error():
    torch.set_float32_matmul_precision("medium")
    before = settings()
    with pytest.raises(ZeroDivisionError), full_float32():
        raise ZeroDivisionError
    assert settings() == before


def test_the_settings_of_older_torch(monkeypatch):
    monkeypatch.setattr(precision, "SLOTS", ())
    torch.set_float32_matmul_precision("high")
    backends.cudnn.allow_tf32 = True
    before = settings()
    with full_float32():
        assert torch.get_float32_matmul_precision() == "highest"
        assert not backends.cudnn.allow_tf32
    assert settings() == before
