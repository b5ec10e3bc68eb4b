"""Columns and keys of the files of a run, for writers and readers."""

from triptych.results.schema import COST_COLUMNS, RUN_HISTORY

HISTORY_COLUMNS = RUN_HISTORY.names
"""The columns of history.csv, which has one row per epoch from 0."""

COST_KEYS = [column.name for column in COST_COLUMNS]
"""The keys of cost.json that every run has."""

WEIGHTS_KEYS = ["file_bytes", "parameters", "head_parameters", "buffer_elements", "trained_parameters"]
"""The keys of weights.json: bytes of a file of initial weights, and numbers of elements. `parameters` includes the
head."""
