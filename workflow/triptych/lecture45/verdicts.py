"""The words of verdicts on claims, for the table that holds them and the report that shows it."""

AGREES, DISAGREES, NOT_TESTED = "agrees", "disagrees", "not tested here"

ANOTHER_RUN = "this run is not the lecture’s: "
"""Begins the part of a reason that lists how a run differs from the lecture's. The report shows that list once."""
