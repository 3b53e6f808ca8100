"""An OpenVINO graph in two parts, of which views that differ by a shift share the first.

Where the image moves over a canvas of one colour by as many pixels as a map has per cell, the map moves by one cell,
and does not change otherwise. So those layers need not run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from openvino import Model, Node, Output

MARGIN = 8
"""The part of a view's side, 1/8, that stays canvas, and beyond which the border changes no value of a map."""


class Parts(NamedTuple):
    """A network's graph in two parts.

    Parameters
    ----------
    first : from an image (1, 3, W, W) to the maps that the second part takes, (1, h, w, C), and to some of the graph's
        results.
    second : from these maps to the other results.
    of_first : the places of the first part's results in the graph, in order.
    """

    first: Model
    second: Model
    of_first: list[int]


def in_parts(graph: Model, period: int) -> Parts | None:
    """Cut a graph as far behind the image as all maps at the cut move by whole cells for each `period` pixels.

    The graph takes an image (1, 3, W, W). Its first result, the logits, is of the second part. None if there is no such
    cut.
    """
    from openvino import Model, opset13
    from openvino.passes import ConstantFolding, Manager

    graph = graph.clone()
    # Until they are folded, the shapes of maps are computed in the graph, from the maps.
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(graph)
    (image,), results, order = graph.get_parameters(), graph.get_results(), graph.get_ordered_ops()
    side = image.shape[-1]
    of_image = _with_followers({image.get_name()}, order)
    second = {results[0].input_value(0).get_node().get_name()}
    while True:
        second = _with_followers(second, order)
        cut = [
            output
            for node in order
            if node.get_name() in of_image - second
            for output in node.outputs()
            if any(each.get_node().get_name() in second for each in output.get_target_inputs())
        ]
        lacking = {output.get_node().get_name() for output in cut if not _moves_by_cells(output, side, period)}
        if image.get_name() in lacking:
            return None
        if not lacking:
            break
        second |= lacking
    of_first = [place for place, result in enumerate(results) if result.get_name() not in second]
    ends, starts = [], []
    for output in cut:
        # Channels are last in memory, so that neither transposition takes time.
        made = opset13.transpose(output, opset13.constant(np.array([0, 2, 3, 1])))
        start = opset13.parameter(list(made.output(0).shape), np.float32)
        taken = opset13.transpose(start, opset13.constant(np.array([0, 3, 1, 2])))
        for each in output.get_target_inputs():
            if each.get_node().get_name() in second:
                each.replace_source_output(taken.output(0))
        ends.append(opset13.result(made))
        starts.append(start)
    others = [result for place, result in enumerate(results) if place not in of_first]
    return Parts(Model([*ends, *(results[place] for place in of_first)], [image]), Model(others, starts), of_first)


def write_moved(maps: np.ndarray, cells: int, to: np.ndarray) -> None:
    """Write maps into `to`, moved by a number of cells along the two axes after the first, except for their margin."""
    to[:] = maps
    down, across = ((size // MARGIN, size - size // MARGIN) for size in maps.shape[1:3])
    source = (slice(low - cells, high - cells) for low, high in (down, across))
    to[:, slice(*down), slice(*across)] = maps[:, *source]


def _with_followers(names: set[str], order: list[Node]) -> set[str]:
    """The nodes of these names, and all that depend on them."""
    names = set(names)
    for node in order:
        if any(each.get_source_output().get_node().get_name() in names for each in node.inputs()):
            names.add(node.get_name())
    return names


def _moves_by_cells(output: Output, side: int, period: int) -> bool:
    """Whether an output is a map (1, C, h, h) of which `period` pixels of the image are whole cells."""
    shape = list(output.shape)
    return len(shape) == 4 and shape[2] == shape[3] and side % shape[2] == 0 and period % (side // shape[2]) == 0
