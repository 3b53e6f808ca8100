"""README and the documentation: their links lead somewhere, and what they name exists."""

import ast
import configparser
import re
from importlib import import_module
from pathlib import Path

import pytest
import typer

from bias_toolkit import Study
from bias_toolkit_cli.commands import COMMANDS, command_line

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "reports/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^ {4}|`|/)bias-toolkit ([a-z]+(?:-[a-z]+)*)([^`|#\n]*)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
SCRIPTS = ("benchmarks/paper.py", "benchmarks/gpu.py", "benchmarks/imagenet_size.py", "bias_toolkit/demo/training.py")
OF_OTHERS = {"--index-url", "--no-deps", "--check", "--opt_out", "--array", "--wait", "--wrap"}
"""Options in the pages that belong to pip, ruff, OpenVINO and Slurm."""


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def options():
    commands = typer.main.get_command(command_line(list(COMMANDS))).commands
    return {
        name: {"--help", "--version"}.union(*(each.opts for each in command.params))
        for name, command in commands.items()
    }


def requirements(text):
    return {line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")}


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def names(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links_lead_to_files_and_headings_of_the_repository(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name} links to {link}"


def test_readme_is_short_and_has_the_command_that_runs_the_tests():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 150
    command = ".venv/bin/pip install -e '.[test]' && .venv/bin/pytest"
    assert command in readme
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_page_and_every_command_is_listed():
    listed = set(LINK.findall((ROOT / "docs" / "README.md").read_text(encoding="utf-8")))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= listed
    commands = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", commands, re.MULTILINE)) >= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_commands_and_options_that_a_page_names_exist(page, options):
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for command, beside in COMMAND.findall(text):
        assert set(OPTION.findall(beside)) <= options[command], command
    scripts = "".join((ROOT / file).read_text(encoding="utf-8") for file in SCRIPTS)
    of_scripts = [f"--{name}" for name in re.findall(r"^    (\w+): Annotated", scripts, re.MULTILINE)]
    of_scripts += re.findall(r'"(--[\w-]+)"', scripts)
    assert set(OPTION.findall(text)) <= OF_OTHERS.union(of_scripts, *options.values())


def test_the_python_page_names_what_there_is():
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    code = "\n".join(line[4:] for line in page.splitlines() if line.startswith("    "))
    tree = ast.parse(code)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert len(imports) == 3
    for node in imports:
        for alias in node.names:
            assert hasattr(import_module(node.module), alias.name)
    attributes = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "study"
    }
    methods = set(re.findall(r"^\| (`.+`) \| `", page, re.MULTILINE))
    attributes |= {name.strip("`") for row in methods for name in row.split(", ")}
    assert len(attributes) > 12
    assert [name for name in attributes if not hasattr(Study, name)] == []


def test_an_installation_without_cuda_has_the_same_requirements(setup):
    needed = requirements(setup["options"]["install_requires"])
    without_cuda = requirements((ROOT / "docs" / "requirements-cpu.txt").read_text(encoding="utf-8"))
    alone = {line for line in without_cuda if line.startswith(("faiss-cpu", "openvino"))}
    assert without_cuda - alone == {line for line in needed if not line.startswith(("faiss", "torch"))}
    faiss, openvino = sorted(alone)
    assert any(line.partition(";")[0] == faiss for line in needed)
    assert openvino in setup["options.extras_require"]["openvino"]


def test_every_extra_is_described(setup):
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE))
    # cpu is the former name of openvino.
    assert set(setup["options.extras_require"]) == described | {"cpu"}
    assert setup["options.extras_require"]["cpu"].split() == ["bias-toolkit[openvino]"]


def test_the_citation_is_of_this_version(setup):
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {setup['metadata']['version']}\n" in citation
    page = (ROOT / "docs" / "about" / "cite.md").read_text(encoding="utf-8")
    assert f"version = {{{setup['metadata']['version']}}}" in page
    assert citation.startswith("cff-version: 1.2.0\n")
