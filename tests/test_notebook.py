"""The notebook of the documentation runs, and its cells show what it says."""

from pathlib import Path

import nbclient
import nbformat
import pytest

pytestmark = pytest.mark.extras

NOTEBOOK = Path(__file__).parents[1] / "docs" / "your-own-data.ipynb"
FEW_FOLDS = "from bias_toolkit.analysis import ceiling; ceiling.FOLDS, ceiling.BOOSTING_ROUNDS = 2, 10"
"""As the fixture `two_folds` does: else the regression takes longer than the rest."""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What the cells of code show, by their number: text and HTML."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("notebook")))
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(FEW_FOLDS))
        nbclient.NotebookClient(notebook, timeout=300).execute()
    cells = [cell for cell in notebook.cells[1:] if cell.cell_type == "code"]
    return [[output.get("data", {}) | {"stream": output.get("text", "")} for output in cell.outputs] for cell in cells]


def test_every_cell_runs_without_a_warning(outputs):
    assert not [output["stream"] for cell in outputs for output in cell if output["stream"]]


def test_the_cells_show_the_set_the_study_and_its_results(outputs):
    shown = [
        " ".join(output.get("text/html", "") + output.get("text/plain", "") for output in cell) for cell in outputs
    ]
    assert "30 images" in shown[1]
    assert "a small network" in shown[3]
    assert "analysis" in shown[3]
    assert "predicted_name" in shown[4]
    assert "crop" in shown[5]
    assert any("image/png" in output for output in outputs[6])
    assert "(32, 32, 3)" in shown[7]


def test_the_notebook_is_kept_without_outputs():
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
