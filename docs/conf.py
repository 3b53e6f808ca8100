"""Builds the documentation site: `sphinx-build -W docs SITE`, which needs the extra `docs`."""

import os
import re
import subprocess
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

project = "bias-toolkit"
version = release = version_of("bias-toolkit")
copyright = "the authors of bias-toolkit"
root_doc = "index"
exclude_patterns = ["README.md"]

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
]
html_theme = "furo"
html_title = "bias-toolkit"
html_extra_path = ["../reports"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_timeout = 1200
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_execution_in_temp = False
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_typehints = "none"
numpydoc_show_class_members = True
numpydoc_show_inherited_class_members = False
numpydoc_class_members_toctree = False

# The notebooks run in their own folders, and import demo_study from here.
os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])

IN_THE_REPOSITORY = {
    "../README.md": "index.md",
    "../CONTRIBUTING.md": "about/contributing.md",
    "../CHANGELOG.md": "about/changelog.md",
    "../benchmarks/COVERAGE.md": "about/coverage.md",
    "../benchmarks/IMAGENET_SIZE.md": "about/imagenet-size.md",
    "../benchmarks/RESULTS.md": "about/benchmarks.md",
}
"""Files beside docs/ that pages link to, and the pages that show them on the site."""


HELP = "reference/commands.md"


def write_help(app: Sphinx) -> None:
    """Write the page with the help of every command, as a terminal of 100 columns shows it."""
    from bias_toolkit_cli.commands import COMMANDS

    parts = ["# Command reference\n\n[Commands](../commands.md) says which options matter.\n"]
    shown = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    for name in COMMANDS:
        command = [sys.executable, "-c", "from bias_toolkit_cli.main import main; main()", name, "--help"]
        text = subprocess.run(command, env=shown, check=True, capture_output=True, text=True).stdout
        parts.append(f"## {name}\n\n```text\n{text.strip()}\n```\n")
    page = Path(app.srcdir, HELP)
    page.parent.mkdir(exist_ok=True)
    page.write_text("\n".join(parts), encoding="utf-8")


def lead_to_the_site(app: Sphinx, name: str, source: list[str]) -> None:
    """Change links to files of the repository into links to the pages that show them."""
    up = "../" * name.count("/")
    for file, page in IN_THE_REPOSITORY.items():
        source[0] = re.sub(rf"\]\({re.escape(file)}([#)])", rf"]({up}{page}\1", source[0])


def setup(app: Sphinx) -> None:
    if app.tags.has("pictures"):
        # README's pictures. The repository holds them, so only who asks for it changes them.
        subprocess.run([sys.executable, Path(app.srcdir) / "pictures" / "make.py"], check=True)
    app.connect("builder-inited", write_help)
    app.connect("source-read", lead_to_the_site)
