"""A wing is known by its name in one place: nothing imports it, and only what shows it depends on it."""

import re

import pytest

from tests.conftest import ROOT
from triptych.__main__ import COMMANDS
from triptych.configuration.claims import NONE, WINGS
from triptych.figures import catalogue
from triptych.results import schema
from triptych.storage.code_digest import PACKAGE_FOLDER, _imports_of
from triptych.wings import TABLES, WING_FIGURES, WING_TABLES, figures_with, tables_with

MODULES = sorted(
    ".".join(("triptych", *path.relative_to(PACKAGE_FOLDER).with_suffix("").parts)).removesuffix(".__init__")
    for path in PACKAGE_FOLDER.rglob("*.py")
)


@pytest.mark.parametrize("wing", WINGS)
def test_nothing_imports_a_wing(wing):
    """Else a change of the wing would run what has nothing to do with it, such as trainings."""
    own = f"triptych.{wing}"
    others = [module for module in MODULES if not f"{module}.".startswith(f"{own}.")]
    assert len(others) > 100
    assert not [module for module in others if any(f"{name}.".startswith(f"{own}.") for name in _imports_of(module))]
    for path in [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]:
        assert path.stem == wing or not re.search(rf"\b{wing}\b", path.read_text()), path.name


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_adds_its_tables_and_figures_to_experiments_with_its_claims(wing):
    tables, figures = WING_TABLES[wing], WING_FIGURES[wing]
    assert tables and all(table.of_claims and table.file.startswith("tables/") for table in tables.values())
    assert all(figure.of_claims for figure in figures.values())
    for mode in schema.MODES:
        own = {name: table for name, table in schema.tables_of_mode(mode).items() if name in schema.EXPERIMENT_TABLES}
        assert tables_with(wing, mode) == own | tables
        assert tables_with(NONE, mode) == own
    shown = {figure.name for figure in figures_with(wing, references=True)}
    assert shown - {figure.name for figure in figures_with(references=True)} == figures.keys()
    writers = {table.rule for table in tables.values()} | {figure.command for figure in figures.values()}
    assert writers == {command for command, package in COMMANDS.items() if package == f"triptych.{wing}"}


def test_no_two_tables_and_no_two_figures_have_one_name():
    assert len(TABLES) == len(schema.TABLES) + sum(map(len, WING_TABLES.values()))
    figures = [*catalogue.FIGURES, *(name for own in WING_FIGURES.values() for name in own)]
    assert len(figures) == len(set(figures))


def test_figures_of_the_whole_experiment_come_before_those_of_single_arms():
    for wing in (NONE, *WINGS):
        kinds = [figure.of_each_arm for figure in figures_with(wing, references=True)]
        assert kinds == sorted(kinds)
