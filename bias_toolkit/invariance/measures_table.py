"""The table of all measures of responses."""

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.invariance.measures import INVARIANCE_MEASURES
from bias_toolkit.invariance.protocols import PROTOCOLS
from bias_toolkit.invariance.protocols.protocol import Compared
from bias_toolkit.invariance.schema import MEASURES


def measures_table(responses: pd.DataFrame) -> pd.DataFrame:
    """Every measure of every row of responses, in the same order, with the columns and Parquet types of `MEASURES`.

    A measure is null where the sweep does not define it: offsets have no steps and no centre view. Accuracy is also
    null without a label. `responses` has the columns of `bias_toolkit.invariance.schema.RESPONSES`.
    """
    responses = responses.reset_index(drop=True)
    table = responses.reindex(columns=MEASURES.names)
    compares = responses["protocol"].map({protocol.name: protocol.compares for protocol in PROTOCOLS})
    for kind in Compared:
        rows = responses[compares == kind]
        measures = [measure for measure in INVARIANCE_MEASURES if kind in measure.of]
        needed = dict.fromkeys(name for measure in measures for name in measure.columns)
        # Rows with the same number of views form one array.
        for _, group in rows.groupby(rows["top1"].map(len)):
            columns = {name: _array(group[name]) for name in needed}
            for measure in measures:
                table.loc[group.index, measure.name] = measure.formula(*(columns[name] for name in measure.columns))
    table["n_steps"] = responses["top1"].map(len).where(compares == Compared.STEPS) - 1
    return pa.Table.from_pandas(table, schema=MEASURES, preserve_index=False).to_pandas()


def _array(column: pd.Series) -> np.ndarray:
    """A column of lists as an array with one row per list; a column of numbers as floats, with null as NaN."""
    if column.name == "label_index":
        return column.to_numpy(dtype=float, na_value=np.nan)
    return np.stack(column)
