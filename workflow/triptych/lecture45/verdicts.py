"""The words of verdicts on claims, for the table that holds them and the report that shows it."""

AGREES, DISAGREES, NOT_TESTED = "agrees", "disagrees", "not tested here"

ANOTHER_RUN = "this run is not the lecture’s: "
"""What stands before the differences, where they are the reason; the report says them once."""
