"""The outputs of rules: declared tables and figures as files, with captions for Snakemake's report."""

from collections.abc import Callable
from typing import Any

from triptych import wings
from triptych.workflow import captions
from triptych.workflow.graph import EXPERIMENT, path_of

InReport = Callable[..., Any]
"""Marks a file for Snakemake's report: takes the file, its caption's name, a category, and labels as keywords."""


def tables_of(in_report: InReport, rule: str) -> dict[str, Any]:
    """Return the tables that a rule writes, by name."""
    return {
        table.name: in_report(path_of(table), "tables", table.category, table=table.label or table.name)
        if table.category
        else path_of(table)
        for table in wings.tables_of(rule)
    }


def tables_for(command: str) -> dict[str, str]:
    """Return the tables from which a command draws its figures, by name."""
    figure = wings.figures_of(command)[0]
    return {table.name: path_of(table, "{part}" * figure.in_partial) for table in figure.tables}


def figures_by(in_report: InReport, command: str) -> dict[str, Any]:
    """Return the figures that a command draws, as `svg` and `png`; several per job have their names as prefixes."""
    figures = {figure.stem: figure for figure in wings.figures_of(command)}
    files = {}
    for stem, figure in figures.items():
        path = f"{EXPERIMENT}/{'{part}' * figure.in_partial}figures/{stem}"
        labels = {"figure": figure.shown_as, **({"arm": figure.arm} if figure.arm else {})}
        name = f"{figure.name}_" if len(figures) > 1 else ""
        files[f"{name}svg"] = in_report(f"{path}.svg", "figure", figure.category, **labels)
        files[f"{name}png"] = f"{path}.png"
    return files


# Captions are parameters, but new words rerun nothing: Snakemake does not rerun a job for a parameter whose function
# takes `output`.


def tables_caption(rule: str) -> Callable[[Any, Any], str]:
    return lambda wildcards, output: captions.tables_caption(rule)


def figures_caption(command: str) -> Callable[[Any, Any], str]:
    return lambda wildcards, output: captions.figures_caption(command, dict(wildcards.items()))
