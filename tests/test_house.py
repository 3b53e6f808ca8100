"""The structure of the code: no two files import each other, and every folder is installed."""

import configparser
from pathlib import Path

import grimp
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).parents[1]


def cycles(imports):
    """The groups of modules that import each other, directly or through others, from (importer, imported) pairs."""
    names = sorted({name for pair in imports for name in pair})
    place = {name: number for number, name in enumerate(names)}
    rows, columns = np.array([[place[importer], place[imported]] for importer, imported in imports]).T
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    _, group = connected_components(graph, connection="strong")
    found = [[names[row] for row in np.flatnonzero(group == number)] for number in np.unique(group)]
    return [each for each in found if len(each) > 1]


def test_cycles_are_found():
    assert cycles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]) == [["a", "b", "c"]]
    assert cycles([("a", "b"), ("b", "c"), ("a", "c")]) == []


def test_no_two_files_import_each_other():
    graph = grimp.build_graph("bias_toolkit", "bias_toolkit_cli", exclude_type_checking_imports=False, cache_dir=None)
    imports = [(name, found) for name in graph.modules for found in graph.find_modules_directly_imported_by(name)]
    assert len(imports) > 500
    assert cycles(imports) == []


def test_every_folder_with_code_is_installed():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = {name.replace(".", "/") for name in setup["options"]["packages"].split() if name != "bias_toolkit_cli"}
    there = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "bias_toolkit").rglob("*.py")}
    assert listed == there
