"""Find the tensors of a network among those of a weights file, whose names may have other beginnings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

# `DataParallel` and `torch.compile` put these into names: `features.module.0.weight`.
WRAPPERS = {"module", "_orig_mod"}
OLD_DENSENET_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")
NO_LAYER = re.compile(
    r"criterion|\w*loss\w*|\w*metrics?|(train|val|valid|test)_\w+|\w*accuracy|total_ops|total_params|n_averaged"
)
"""Parts of names of losses, metrics and counters, which scripts and libraries keep beside a network's layers."""
OF_A_COPY = "left out, as of another copy of the network"
ANCHORS = 3
# Number of tensors named per kind of mismatch.
NAMED = 3


class Fitting(NamedTuple):
    """A file's tensors by the network's names, and sentences on what was left out."""

    tensors: dict[str, Tensor]
    notes: list[str]


def fit_names(tensors: Mapping[str, Tensor], network: nn.Module, path: object, unused: Sequence[str] = ()) -> Fitting:
    """Give a file's tensors the names of the network's.

    The beginning that the most names share with the network is removed, and `module.` and `_orig_mod.` anywhere. Left
    out are other copies of the network's weights, tensors of losses, metrics and counters, and those whose names start
    with one of `unused`. All others keep their names, whether the network has them or not. `path` is named in the
    sentences.
    """
    expected = [name for name, tensor in network.state_dict().items() if isinstance(tensor, Tensor)]
    wrappers = WRAPPERS - {part for name in expected for part in name.split(".")}
    is_old = not any(OLD_DENSENET_NAME.search(name) for name in expected)
    plain = {_plain(name, wrappers, is_old): tensor for name, tensor in tensors.items()}
    prefix, *copies = _prefixes(plain, expected)
    own = {name: plain[prefix + name] for name in expected if prefix + name in plain}
    taken = {prefix + name for name in own}
    others: dict[str, Tensor] = {}
    left_out: dict[str, list[str]] = {}
    for full in plain:
        name = full.removeprefix(prefix)
        if full in taken:
            continue
        if name in own or any(full.startswith(copy) for copy in copies if copy):
            left_out.setdefault(OF_A_COPY, []).append(full)
        elif why := _why_left_out(name, unused):
            left_out.setdefault(why, []).append(full)
        else:
            others[name] = plain[full]
    notes = [f"Of the weights file {path}, {_tensors(names)} {why}." for why, names in left_out.items()]
    if copies:
        first = prefix.rstrip(".") or "the one without a common beginning"
        notes.append(
            f"The weights file {path} holds {len(copies) + 1} copies of the network; {first} was taken. "
            f"--weights-key takes another: {first_of([copy.rstrip('.') for copy in copies])}."
        )
    return Fitting(others | own, notes)


def _plain(name: str, wrappers: set[str], is_old: bool) -> str:
    name = OLD_DENSENET_NAME.sub(r"\1\2.", name) if is_old else name
    return ".".join(part for part in name.split(".") if part not in wrappers)


def _prefixes(names: Iterable[str], expected: Sequence[str]) -> list[str]:
    """The beginning after which the most names are the network's, then those of other whole copies of the network."""
    names = dict.fromkeys(names)
    anchors = [*expected[:ANCHORS], *expected[-ANCHORS:]]
    found = dict.fromkeys(
        name.removesuffix(anchor) for anchor in anchors for name in names if name.endswith(f".{anchor}")
    )
    hits = {prefix: sum(prefix + name in names for name in expected) for prefix in ["", *found]}
    best = max(hits, key=hits.__getitem__)
    return [best, *(prefix for prefix, n in hits.items() if prefix != best and n == hits[best] > len(expected) / 2)]


def _why_left_out(name: str, unused: Sequence[str]) -> str | None:
    if any(name.startswith(start) for start in unused):
        return "left out, as of auxiliary heads, which do not run in evaluation"
    if any(NO_LAYER.fullmatch(part) for part in name.split(".")):
        return "left out, as of no layer of the network but of a loss, a metric or a counter"
    return None


def _tensors(names: Sequence[str]) -> str:
    one = len(names) == 1
    return f"{'1 tensor' if one else f'{len(names):,} tensors'} ({first_of(names)}) {'is' if one else 'are'}"


def first_of(items: Sequence[str]) -> str:
    """The first of some items, and how many more there are."""
    more = len(items) - NAMED
    return ", ".join(items[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
