"""The words of verdicts on claims, for the table that holds them and the report that shows it."""

AGREES, DISAGREES, UNDECIDED, NOT_TESTED = "agrees", "disagrees", "undecided", "not tested here"

ANOTHER_RUN = "another run than the lecture’s"
"""The reason why a run is not tested; how it differs from the lecture's is a column of its own."""

RULES_DATE = "2026-11-28"
"""The day on which the rules of the claims were last changed. No run was made between that day's rules and the verdicts
on the stored full run: a rule follows from the claim's words and from what noise would give.
"""
