"""What a run's files hold, for those who write them and those who read them."""

from triptych.results.schema import COST_COLUMNS, RUN_HISTORY

HISTORY_COLUMNS = RUN_HISTORY.names
"""Of history.csv, a row an epoch from 0."""

COST_KEYS = [column.name for column in COST_COLUMNS]
"""Of cost.json, those that every run has."""
