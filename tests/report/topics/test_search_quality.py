"""What the report says of an approximate index."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.report import topic_findings
from bias_toolkit.report.topics.distance.findings import gather
from bias_toolkit.report.topics.distance.search_quality import quality_blocks, quality_findings, quality_sentence
from bias_toolkit.report.topics.distance.section import distance_section


def table(**changes):
    row = {
        "index": "IVF64,Flat",
        "n_images": 1000,
        "recall": 0.9,
        "recall_low": 0.88,
        "recall_high": 0.917,
        "n_errors": 998,
        "error": 0.0123,
        "error_low": 0.01,
        "error_high": 0.015,
        "largest_error": 0.31,
    }
    return pd.DataFrame([row | changes])


def test_an_exact_index_is_not_spoken_of():
    assert quality_blocks(None) == []
    assert quality_findings(None) == []


def test_the_sentence():
    assert quality_sentence(table()) == (
        "The approximate index IVF64,Flat finds the nearest training image of 90.0% (95% interval 88.0% to 91.7%) of "
        "1,000 test images that were also searched exactly; nn_distance is too large by 1.2% (95% interval 1.0% to "
        "1.5%) on average, and by 31.0% at most."
    )
    none = table(recall=1.0, recall_low=0.996, recall_high=1.0, error=0.0, error_low=0.0, error_high=0.0)
    assert quality_sentence(none.assign(largest_error=0.0)).endswith("; none of their nn_distances is too large.")
    zeros = table(n_errors=0, error=np.nan, error_low=np.nan, error_high=np.nan, largest_error=np.nan)
    assert quality_sentence(zeros).endswith("that were also searched exactly.")
    assert "could not be measured" in quality_sentence(table(n_images=0, recall=np.nan))


@pytest.mark.parametrize(("recall", "cautions"), [(0.949, 1), (0.95, 0), (1.0, 0)])
def test_low_recall_is_a_caution(recall, cautions):
    findings = quality_findings(table(recall=recall))
    assert [finding.kind for finding in findings] == ["caution"] * cautions
    assert all("distances are too large" in finding.claim for finding in findings)


def test_a_recall_that_is_not_known_is_a_caution():
    (finding,) = quality_findings(table(n_images=0, recall=np.nan))
    assert (finding.kind, "may be too large" in finding.claim) == ("caution", True)
    assert len(quality_blocks(table(n_images=0, recall=np.nan))) == 1


def test_the_table():
    paragraph, block = quality_blocks(table())
    assert paragraph.text == quality_sentence(table())
    texts = [(cell, "") if isinstance(cell, str) else (cell.text, cell.detail) for cell in block.rows[0]]
    assert texts == [
        ("IVF64,Flat", ""),
        ("90.0%", "95% interval 88.0% to 91.7%"),
        ("1.2%", "95% interval 1.0% to 1.5%"),
        ("31.0%", ""),
        ("1,000", ""),
    ]


def test_section_and_findings_have_it(source, tmp_path):
    with_quality = dataclasses.replace(source, search_quality=table())
    captions = [getattr(block, "caption", "") for block in distance_section(gather(with_quality), tmp_path).blocks]
    assert "The approximate index against exact search" in captions
    assert len(topic_findings(with_quality, "distance")) == len(topic_findings(source, "distance")) + 1
