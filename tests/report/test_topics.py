"""Topics as units: each reads its own results only, and all of them stand in one order."""

import collections
import dataclasses
import subprocess
import sys

import pandas as pd
import pytest

from bias_toolkit.report import PLOTS, plot, topic_findings, write, write_report
from bias_toolkit.report.page.blocks import FigureBlock, Section
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.page.style import new_figure
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.topics import TOPICS


class Watched:
    """A source that counts what is read from it, and refuses some of it."""

    def __init__(self, source, refused=()):
        self._source, self._refused, self.reads = source, refused, collections.Counter()

    def __getattr__(self, name):
        assert name not in self._refused, f"{name} was read"
        value = getattr(self._source, name)
        if not callable(value):
            self.reads[name] += 1
            return value

        def call(*arguments):
            self.reads[name, *arguments] += 1
            return value(*arguments)

        return call


def test_figures_in_their_order():
    assert list(PLOTS) == [
        "distance-vs-invariance",
        "distance-given-margin",
        "invariance-vs-position",
        "invariance-vs-scale",
        "size-vs-invariance",
        "map",
        "map-vs-density",
        "layers",
        "remedies",
        "augmentation-reach",
        "remedies-by-distance",
        "flag-scores",
        "flag-caught",
        "flag-calibration",
        "invariance",
        "classes",
        "odds-ratios",
        "factors",
        "centres",
        "coverage",
        "centre-distance",
        "scale",
        "distance-percentiles",
    ]


def test_tables_in_their_order(shared_source):
    gathered = [(topic, topic.gather(shared_source)) for topic in TOPICS if topic.name != "localisation"]
    tables = [table for topic, contents in gathered if contents is not None for table in topic.tables(contents)]
    assert len({table.order for table in tables}) == len({table.name for table in tables}) == len(tables)
    assert [table.name for table in sorted(tables, key=lambda table: table.order)] == [
        *("per_image", "summary", "correlations", "curves", "classes", "odds_ratios", "losses", "ceiling", "factors"),
        *("notes", "size_curve", "measures", "sequential", "distances", "search_quality", "neighbours"),
        *("framing_summary_train", "framing_summary_test", "framing_ranking_train", "framing_comparison"),
        *("framing_train", "framing_test", "skipped"),
    ]


@pytest.mark.parametrize(
    ("topic", "refused"),
    [
        ("framing", ("analysis", "per_image", "measures", "distances", "explanations")),
        ("comparison", ("analysis", "per_image", "mean_images")),
        ("invariance", ("framing", "framing_summary", "distances", "neighbours", "explanations")),
        ("cause", ("analysis", "per_image", "framing", "distances")),
        ("left-out", ("analysis", "per_image", "framing", "distances")),
    ],
)
def test_a_topic_reads_its_own_results_only(shared_source, topic, refused):
    assert topic_findings(Watched(shared_source, refused), topic) == topic_findings(shared_source, topic)


def test_a_figure_reads_only_what_it_shows(source):
    cells = pd.DataFrame({"cx": 0.5, "cy": 0.5, "scale": [0.2, 0.4], "surroundings": "mean"})
    cells = cells.assign(log_density=0.0, p_top1_change=0.1, recognised=True, among_lowest=False)
    mapped = dataclasses.replace(source, framing_map=type("Map", (), {"cells": cells})())
    assert plot(Watched(mapped, ("analysis", "per_image", "framing", "distances", "located")), "map").axes
    assert plot(Watched(source, ("framing", "mean_images", "measures")), "classes").axes
    assert plot(Watched(source, ("analysis", "per_image")), "scale").axes


def test_everything_is_read_once_for_a_report(source, tmp_path, pages_without_figures):
    watched = Watched(dataclasses.replace(source, train_framing=pd.DataFrame()))
    write_report(watched, tmp_path / "report")
    assert watched.reads["per_image"] == watched.reads["analysis"] == watched.reads["framing", "test"] == 1
    # Pixels are not kept: an image that is shown in two places is read for each.
    assert {read: n for read, n in watched.reads.items() if n > 1 and read[0] != "read_image"} == {}


def test_importing_the_report_loads_no_network_and_no_index_and_drawing_no_pyplot(tmp_path):
    program = f"""
import sys
import pandas as pd
from bias_toolkit.report import save_figure
print(sorted({{"torch", "faiss", "scipy.stats", "sklearn"}} & set(sys.modules)))
from bias_toolkit.report.topics.invariance.figures import measure_histogram
table = pd.DataFrame({{"p_top1_change": [0.0, 0.5], "n_steps": 8}})
save_figure(measure_histogram(table), {str(tmp_path / "a.png")!r})
print("matplotlib.pyplot" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["[]", "False"]


def test_a_topic_needs_a_name_and_what_it_reads(source, tmp_path, pages_without_figures, monkeypatch):
    table = pd.DataFrame({"image": ["a.png"], "weight": [1.5]})
    figure = FigureBlock("weights", lambda: new_figure().add_subplot(), "Weights.", "Weights.")
    added = Topic(
        "weights",
        gather=lambda source: table,
        section=lambda contents, draft: Section("weights", "Weights", [figure]),
        tables=lambda contents: [Table("weights", contents, "a weight for each image")],
    )
    monkeypatch.setattr(write, "gather", lambda source: [(topic, topic.gather(source)) for topic in (*TOPICS, added)])
    path = write_report(source, tmp_path / "report")
    assert (path.parent / "tables" / "weights.csv").read_text(encoding="utf-8-sig").splitlines()[1] == "a.png,1.5"
    assert (path.parent / "figures" / "weights.svg").exists()
    assert "<h2>Weights</h2>" in path.read_text(encoding="utf-8")
