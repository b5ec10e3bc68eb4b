"""Columns and keys of the files of a run, for writers and readers."""

from triptych.results.schema import COST_COLUMNS, RUN_HISTORY

HISTORY_COLUMNS = RUN_HISTORY.names
"""Of a row of history.csv, from epoch 0; the file has those of test images only if they are evaluated every epoch."""

COST_KEYS = [column.name for column in COST_COLUMNS]
"""The keys of cost.json that every run has."""

WEIGHTS_KEYS = ["file_bytes", "parameters", "head_parameters", "buffer_elements", "trained_parameters"]
"""The keys of weights.json: bytes of a file of initial weights, and numbers of elements. `parameters` includes the
head."""
