"""Running the command line in the test's own process."""

import pytest

from bias_toolkit_cli.main import main


@pytest.fixture(scope="module", autouse=True)
def looking_at_no_figure(pages_without_figures, folding_in_two, trying_little):
    """Figures are looked at by the tests of the report, the regression by those of analysis, trials by explain's."""


@pytest.fixture
def run(capsys):
    """A function that runs a command line, and gives its exit code, standard output and standard error."""

    def call(*arguments):
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return call
