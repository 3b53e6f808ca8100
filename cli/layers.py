"""`layers`: where in the network invariance is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_toolkit.study import steps
from bias_toolkit_cli.options import StudyFolder, open_study, takes_study_options
from bias_toolkit_cli.output import console_progress, print_json, say, say_table

if TYPE_CHECKING:
    import pandas as pd


@takes_study_options(steps.layer_analysis)
def layers(study: StudyFolder, options: dict[str, Any]) -> None:
    """Measure each operation of the network that subsamples, on test images that move by one pixel.

    Each is measured in the network as it is, in the network rebuilt with low-pass filters, and on a blurred input. A
    report of the study then says where in the network invariance is lost.

    Example: bias-toolkit layers study --images 200
    """
    opened = open_study(study, options)
    opened.measure_layers(progress=console_progress())
    found = opened.layer_analysis
    operations = opened.layer_operations
    unmeasured = operations[operations["reason"].notna()]
    if options["json_output"]:
        tables = {name: getattr(found, name).to_dict("records") for name in found._fields}
        print_json(tables | {"unmeasured": unmeasured[["operation", "kind", "reason"]].to_dict("records")})
        return
    _say_summary(found.summary)
    for row in unmeasured.itertuples():
        say(f"{row.operation} ({row.kind}) is not measured: {row.reason}.")
    say(f"\nDraw it with `bias-toolkit plot {opened.folder} layers --out figure.pdf`; `bias-toolkit report` shows it.")


def _say_summary(summary: pd.DataFrame) -> None:
    """Print the means with their intervals, operation by operation in the order of the forward pass."""
    from bias_toolkit.invariance import CONDITIONS, LAYER_MEASURES

    rows = []
    for _, of_operation in summary[summary["depth"].notna()].groupby("depth"):
        for condition in CONDITIONS:
            of_condition = of_operation[of_operation["condition"].eq(condition.name)].set_index("measure")
            if of_condition.empty:
                continue
            about = of_condition.iloc[0]
            is_first = condition is CONDITIONS[0]
            cells = [f"{about['depth']:.0f}", about["operation"], f"{about['total_stride']:.0f}"]
            values = of_condition.loc[[each.name for each in LAYER_MEASURES], ["value", "low", "high"]]
            texts = [
                measure.texts(*row) for measure, row in zip(LAYER_MEASURES, values.itertuples(index=False), strict=True)
            ]
            means = [f"{mean} ({limits})" if limits else mean for mean, limits in texts]
            rows.append([*(cells if is_first else ["", "", ""]), condition.label, *means])
    say_table(["#", "Operation", "S", "Network", *(each.label for each in LAYER_MEASURES)], rows)
    n = int(summary["n"].max())
    say(f"Means over {n:,} images with 95% intervals; S is the total stride, from the input to the operation.")
