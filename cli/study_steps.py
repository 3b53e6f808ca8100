"""`report`, and its steps as commands of their own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from bias_toolkit.study import steps
from bias_toolkit_cli.options import StudyFolder, open_study, takes_study_options
from bias_toolkit_cli.output import console_progress, print_json, say, say_findings


def _print_result(result: dict[str, Any], sentences: list[str], as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        say("\n".join(sentences))


@takes_study_options(*steps.ANALYSED, also=["figures", "figure_formats"])
def report(
    out: Annotated[
        str, typer.Option("--out", metavar="STUDY", help="The study's folder. It is created if it does not exist.")
    ],
    options: dict[str, Any],
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Write only a first answer, in the study's folder quick: from a sample of 200 test and 2,000 training "
            "images. The same command without --quick goes on from there.",
        ),
    ] = False,
) -> None:
    """Run every step and write the bias report.

    What an earlier run computed under the same settings is not computed again.

    Example: bias-toolkit report --train photos/train --test photos/val --model efficientnet-lite0 --out study
    """
    study = open_study(out, options)
    study = study.quick(console_progress()) if quick else study.run(console_progress())
    from bias_toolkit.report.source import sample_words
    from bias_toolkit.report.words.finding import finding_of
    from bias_toolkit.report.words.sentences import capitalised
    from bias_toolkit.study.news import left_out_sentences

    page = study.folder / "report" / "index.html"
    answers, sample = study.answers(), sample_words(study.results)
    if options["json_output"]:
        result = {} if sample is None else {"sample": sample}
        result |= {"answers": answers, "findings": study.findings().to_dict("records"), "report": str(page)}
        print_json(result)
        return
    if not study.computed:
        when = datetime.fromtimestamp(page.stat().st_mtime)
        say(f"Nothing had changed; the report is of {when.day} {when:%B %Y, %H:%M}.")
    for sentence in left_out_sentences(study.results.skipped_images):
        say(sentence)
    say_findings(map(finding_of, answers))
    if sample is not None:
        say(f"{capitalised(sample)}.")
    say(f"Report: {page}")


@takes_study_options(steps.features)
def embed(study: StudyFolder, options: dict[str, Any]) -> None:
    """Extract the features of the training and test images.

    Example: bias-toolkit embed study --train photos/train --test photos/val --model efficientnet-lite0
    """
    opened = open_study(study, options)
    opened.embed(progress=console_progress())
    from bias_toolkit.study.news import left_out_sentences

    train, test = opened.features("train"), opened.features("test")
    _print_result(
        {
            "train": {"images": len(train.image_ids), "folder": str(train.folder)},
            "test": {"images": len(test.image_ids), "folder": str(test.folder)},
            "dimension": train.dimension,
        },
        [
            *left_out_sentences(opened.results.skipped_images),
            f"{len(train.image_ids):,} training and {len(test.image_ids):,} test images have features of "
            f"{train.dimension} dimensions, in {train.folder.parent}.",
        ],
        options["json_output"],
    )


@takes_study_options(steps.neighbours)
def index(study: StudyFolder, options: dict[str, Any]) -> None:
    """Find every test image's nearest training images.

    Example: bias-toolkit index study --metric cosine
    """
    opened = open_study(study, options)
    opened.build_index(progress=console_progress())
    from bias_toolkit.report.topics.distance.search_quality import quality_sentence

    distances, quality = opened.distances, opened.search_quality
    leaks = int(distances["leak"].sum())
    median = float(distances["nn_distance"].median())
    _print_result(
        {
            "test_images": len(distances),
            "median_nn_distance": median,
            "possible_leaks": leaks,
            "index": opened.index_reason,
            "search_quality": None if quality is None else quality.to_dict("records")[0],
        },
        [
            f"The median nn_distance of {len(distances):,} test images is {median:.4g}; "
            f"{leaks:,} have a training image at (near) zero distance.",
            opened.index_reason,
            *([] if quality is None else [quality_sentence(quality)]),
        ],
        options["json_output"],
    )


@takes_study_options(steps.measures, steps.noise, also=["resamples", "permutations", "placements"])
def sweep(study: StudyFolder, options: dict[str, Any]) -> None:
    """Move every test image pixel by pixel and measure how the model's answer changes.

    The intervals printed come from --resamples. The study keeps --permutations and --placements for its report.

    Example: bias-toolkit sweep study --protocol crop --protocol embed --size 1 --size 0.5 --size 2
    """
    opened = open_study(study, options)
    opened.sweep(progress=console_progress())
    from bias_toolkit.analysis import measure_summary
    from bias_toolkit.report.topics.invariance.sequential import stopping_sentences
    from bias_toolkit.study.news import left_out_sentences

    summary = measure_summary(opened.measures, resamples=opened.settings.resamples, seed=opened.settings.seed)
    noise = opened.noise_floor
    lines = [*left_out_sentences(opened.results.skipped_images), f"{opened.label_record['sentence']}."]
    lines += [
        f"{row.protocol} {row.transform}, size {row.size:g}: {row.measure} {row.value:.4g} "
        f"({row.low:.4g} to {row.high:.4g}), {row.n:,} {'clips' if row.protocol == 'frames' else 'images'}"
        for row in summary.itertuples()
        if row.n
    ]
    lines += stopping_sentences(opened.sequential)
    if opened.runtime_reason:
        lines.append(f"Run with {opened.runtime_reason}")
    lines.append(f"noise_floor: {noise['n_changed']} of {noise['n_images']} images changed their top-1 class.")
    result = {"sweeps": summary.to_dict("records"), "sequential": opened.sequential.to_dict("records")}
    result |= {"runtime": opened.runtime_reason}
    _print_result(result | {"noise_floor": noise}, lines, options["json_output"])


@takes_study_options(*steps.ANALYSED)
def analyse(study: StudyFolder, options: dict[str, Any]) -> None:
    """Test whether images that are far from the training set, or framed unusually, are less stable.

    Example: bias-toolkit analyse study --bins 5
    """
    opened = open_study(study, options)
    opened.analyse(progress=console_progress())
    analysis = opened.analysis
    lines = [
        f"{row.distance} against {row.measure}, {row.kind}: ρ = {row.rho:.3f} "
        f"({row.low:.3f} to {row.high:.3f}), p = {row.p_value:.2g}, n = {row.n:,}"
        for row in analysis.correlations.itertuples()
    ]
    lines += [
        f"odds ratio of {row.term}, {row.kind}: {row.odds_ratio:.3f} ({row.low:.3f} to {row.high:.3f}), "
        f"p = {row.p_value:.2g}, n = {row.n:,}"
        for row in analysis.odds_ratios.itertuples()
    ]
    lines += [
        f"log loss with {row.model}: {row.loss:.4f} ({row.low:.4f} to {row.high:.4f}), "
        f"above that of all terms: {row.difference:.4f} ({row.difference_low:.4f} to {row.difference_high:.4f})"
        for row in analysis.losses.itertuples()
    ]
    lines += [
        f"{row.measure} with {row.factor}: {row.difference:+.4f} ({row.difference_low:+.4f} to "
        f"{row.difference_high:+.4f}), adjusted p = {row.p_adjusted:.2g}; given the margin {row.given_margin:+.4f} "
        f"({row.given_margin_low:+.4f} to {row.given_margin_high:+.4f}), adjusted p = "
        f"{row.given_margin_p_adjusted:.2g}; n = {row.n_with:,}"
        for row in analysis.factors.itertuples()
    ]
    lines += list(analysis.notes["sentence"])
    _print_result(
        {
            "correlations": analysis.correlations.to_dict("records"),
            "curves": analysis.curves.to_dict("records"),
            "odds_ratios": analysis.odds_ratios.to_dict("records"),
            "losses": analysis.losses.to_dict("records"),
            "ceiling": analysis.ceiling.to_dict("records"),
            "factors": analysis.factors.to_dict("records"),
            "notes": analysis.notes.to_dict("records"),
        },
        lines,
        options["json_output"],
    )
