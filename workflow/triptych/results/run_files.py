"""What a run's files hold, for those who write them and those who read them."""

from triptych.results.schema import COST_COLUMNS, RUN_HISTORY

HISTORY_COLUMNS = RUN_HISTORY.names
"""Of history.csv, a row an epoch from 0."""

COST_KEYS = [column.name for column in COST_COLUMNS]
"""Of cost.json, those that every run has."""

WEIGHTS_KEYS = ["file_bytes", "parameters", "head_parameters", "buffer_elements", "trained_parameters"]
"""Of weights.json: bytes of a file of initial weights, and numbers of elements; `parameters` includes the head's."""
