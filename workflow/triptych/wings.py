"""All tables and figures: those of every experiment, and those of the wing that `claims` names.

A wing declares its tables as `TABLES` in its module `schema`, and its figures as `FIGURES` in its module `catalogue`.
The rules that write them are its commands.
"""

from functools import reduce
from operator import or_

from triptych.configuration.claims import NONE, WINGS, part_of
from triptych.figures import catalogue
from triptych.figures.catalogue import Figure
from triptych.results import schema
from triptych.results.schema import Table

WING_TABLES: dict[str, dict[str, Table]] = {wing: part_of(wing, "schema").TABLES for wing in WINGS}
WING_FIGURES: dict[str, dict[str, Figure]] = {wing: part_of(wing, "catalogue").FIGURES for wing in WINGS}

TABLES = reduce(or_, WING_TABLES.values(), schema.TABLES)
"""All declared tables, by name."""

FIGURES = reduce(or_, WING_FIGURES.values(), catalogue.FIGURES)
"""All declared figures, by name."""

COMMANDS = {
    command: f"triptych.{wing}"
    for wing in WINGS
    for command in (
        *(table.rule for table in WING_TABLES[wing].values()),
        *(figure.command for figure in WING_FIGURES[wing].values()),
    )
}
"""The sub-package of each command of a wing."""


def tables_of(rule: str) -> list[Table]:
    """Return the tables that a rule writes."""
    return [table for table in TABLES.values() if table.rule == rule]


def figures_of(command: str) -> list[Figure]:
    """Return the figures that a command draws."""
    return [figure for figure in FIGURES.values() if figure.command == command]


def tables_with(claims: str = NONE, mode: schema.Mode = schema.AFTER_DECISION) -> dict[str, Table]:
    """The tables in `tables/` of an experiment with these claims, by name, in a mode: what a reader downloads."""
    tables = {**schema.EXPERIMENT_TABLES, **WING_TABLES.get(claims, {})}
    return {name: table.in_mode(mode) for name, table in tables.items() if mode in table.modes}


def figures_with(
    claims: str = NONE,
    *,
    mode: schema.Mode = schema.AFTER_DECISION,
    references: bool,
    images: bool = True,
    letters: bool = True,
) -> list[Figure]:
    """The figures of an experiment with these claims, the most important first.

    Args:
        mode: what is known about its test images.
        references: whether it has `reference_models`.
        images: whether its report shows images of the data set (`report.images`).
        letters: whether the workflow pretrains its weights on letters.
    """
    figures = [*catalogue.FIGURES.values(), *WING_FIGURES.get(claims, {}).values()]
    figures = [
        figure
        for figure in figures
        if mode in figure.modes
        and (references or not figure.of_references)
        and (images or not figure.of_images)
        and (letters or not figure.of_letters)
    ]
    return sorted(figures, key=lambda figure: figure.of_each_arm)
