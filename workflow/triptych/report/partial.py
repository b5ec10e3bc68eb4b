"""What a partial report says of the runs that it lacks."""

from collections.abc import Iterable

from triptych.report import formatting as words
from triptych.report.content import Column, Table
from triptych.report.results import Results


def sentence(results: Results) -> str:
    """That the report is partial, which runs it lacks, and what that means for its numbers."""
    lacks = {arm: seeds for arm, seeds in (results.missing or {}).items() if seeds}
    there = len(results.tables["runs"])
    number = sum(len(seeds) for seeds in lacks.values())
    if not lacks:
        return f"This is a partial report that lacks nothing: all {there} runs are there, so the whole one can be made."
    named = [f"{arm} with {'seed' if len(seeds) == 1 else 'seeds'} {_listed(seeds)}" for arm, seeds in lacks.items()]
    return (
        f"This report is partial: {number} of {words.plural(there + number, 'run')} {'is' if number == 1 else 'are'} "
        f"missing ({words.listing(named)}), and every number and comparison here is made of the "
        f"{there} that {'is' if there == 1 else 'are'} there."
    )


def table(results: Results) -> Table:
    """Each arm's runs: missing, and there."""
    runs = results.tables["runs"]
    columns = [
        Column("arm", "The name of the arm in the configuration.", "text"),
        Column("missing", "The seeds whose runs failed or were never made.", "text"),
        Column("there", "The seeds whose runs this report is made of.", "text"),
    ]
    rows = [
        [arm, _listed(seeds), _listed(runs.loc[runs["arm"] == arm, "seed"])]
        for arm, seeds in (results.missing or {}).items()
    ]
    return Table("The runs of this experiment", columns, rows)


def _listed(seeds: Iterable[int | str]) -> str:
    return words.listing([str(seed) for seed in seeds] or ["none"])
