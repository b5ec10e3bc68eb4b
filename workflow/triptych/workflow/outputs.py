"""What rules write: the declared tables and figures as files, and their captions in Snakemake's report."""

from collections.abc import Callable
from typing import Any

from triptych import wings
from triptych.workflow import captions
from triptych.workflow.graph import EXPERIMENT, path_of

Shown = Callable[..., Any]
"""Marks a file (file, name of its caption, category, labels as keywords) for Snakemake's report."""


def tables_of(shown: Shown, rule: str) -> dict[str, Any]:
    """The tables that a rule writes, by name."""
    return {
        table.name: shown(path_of(table), "tables", table.category, table=table.label or table.name)
        if table.category
        else path_of(table)
        for table in wings.tables_of(rule)
    }


def tables_for(command: str) -> dict[str, str]:
    """The tables that a command draws its figures from, by name."""
    figure = wings.figures_of(command)[0]
    return {table.name: path_of(table, "{part}" * figure.in_partial) for table in figure.tables}


def figures_by(shown: Shown, command: str) -> dict[str, Any]:
    """The figures that a command draws: `svg` and `png`, where there are several of a job behind their names."""
    figures = {figure.stem: figure for figure in wings.figures_of(command)}
    files = {}
    for stem, figure in figures.items():
        path = f"{EXPERIMENT}/{'{part}' * figure.in_partial}figures/{stem}"
        labels = {"figure": figure.shown_as, **({"arm": figure.arm} if figure.arm else {})}
        name = f"{figure.name}_" if len(figures) > 1 else ""
        files[f"{name}svg"] = shown(f"{path}.svg", "figure", figure.category, **labels)
        files[f"{name}png"] = f"{path}.png"
    return files


# Captions are parameters, but a new wording makes nothing anew: Snakemake reruns no job for a parameter whose function
# takes `output`.


def tables_caption(rule: str) -> Callable[[Any, Any], str]:
    return lambda wildcards, output: captions.tables_caption(rule)


def figures_caption(command: str) -> Callable[[Any, Any], str]:
    return lambda wildcards, output: captions.figures_caption(command, dict(wildcards.items()))
