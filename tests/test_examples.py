"""The examples in docstrings: each runs as it stands, in a folder with a study and photographs."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "bias_toolkit").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="module")
def place(finished, photographs, tmp_path_factory):
    """A folder with `study`, which is finished, and `photos`, with the table images.csv of 60 photographs."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "photos").symlink_to(photographs["train"].parent)
    (folder / "study").symlink_to(finished.folder)
    return folder


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_right(name, place, monkeypatch):
    monkeypatch.chdir(place)
    found = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0
    assert found.failed == 0


def test_what_most_users_need_has_an_example():
    from bias_toolkit import Study, load_dataset, load_model
    from bias_toolkit.analysis import mean_interval, partial_spearman, quantile_curve
    from bias_toolkit.features.index import nearest_neighbours
    from bias_toolkit.invariance import Sweep, expand_sweeps, make_views
    from bias_toolkit.invariance.measures import mac, p_top1_change
    from bias_toolkit.models import low_pass
    from bias_toolkit.objects import describe_framing, framing_summary, position_and_scale

    needed = (
        *(Study, load_dataset, load_model, mean_interval, partial_spearman, quantile_curve, nearest_neighbours, Sweep),
        *(expand_sweeps, make_views, mac, p_top1_change, low_pass, describe_framing, framing_summary),
        position_and_scale,
    )
    assert [each.__name__ for each in needed if ">>> " not in each.__doc__] == []
