"""The words of verdicts on claims, for the table that holds them and the report that shows it."""

AGREES, DISAGREES, NOT_TESTED = "agrees", "disagrees", "not tested here"

ANOTHER_RUN = "another run than the lecture’s"
"""The reason why a run is not tested; how it differs from the lecture's is a column of its own."""
