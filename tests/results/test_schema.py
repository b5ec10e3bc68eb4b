"""The declarations of tables and figures are whole, and real tables are as declared."""

import re
import subprocess
import sys

import pytest

from tests.test_names import RULES
from triptych.figures import plot_curves
from triptych.results.schema import EVERY_EPOCH, MODES, TESTED, curve_split, tables_of_mode
from triptych.storage.code_digest import PACKAGE_FOLDER
from triptych.wings import FIGURES, TABLES, figures_of, tables_of


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_says_what_it_holds(table):
    assert table.rule in RULES
    assert table.title and table.row
    assert len(set(table.names)) == len(table.names)
    for column in table.columns:
        assert re.fullmatch(r"\S.*\.", column.meaning), f"{column.name}: a sentence says what it holds"
        assert column.heading
    # what is measured is known by its name
    assert table.measured == (table.file.startswith("tables/") and table.name.startswith("cost"))


@pytest.mark.parametrize("mode", MODES)
def test_tables_of_a_mode_have_its_columns(mode):
    tables = tables_of_mode(mode)
    assert ("summary" in tables) == (mode in TESTED) == ("test_results" in tables)
    assert {"decision", "runs", "cost"} < set(tables)
    for table in tables.values():
        own = [column for column in TABLES[table.name].columns if mode in column.modes]
        assert [column for column in own if not column.of_folds] == list(table.columns)
        assert list(TABLES[table.name].in_mode(mode, folds=True).columns) == own
    assert ("test_loss" in tables["history"].names) == (mode == EVERY_EPOCH)
    # the curves are in every table of curves
    assert f"{curve_split(mode)}_accuracy" in tables["history"].names


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_a_figure_says_what_it_shows(figure):
    assert figure.command in RULES
    assert figure.title and figure.caption.endswith(".")
    assert figure.measured == figure.name.startswith("cost")
    assert figure.tables == figures_of(figure.command)[0].tables
    # it can only be drawn where its tables are made
    assert all(figure.of_claims or not table.of_claims for table in figure.tables)
    assert not figure.in_partial or all(table.in_partial or not table.needs_runs for table in figure.tables)


def test_declarations_are_found_by_the_name_of_the_rule():
    assert [table.name for table in tables_of("extract_weight_delta")] == ["run_weight_delta", "run_kernel_change"]
    assert {figure.name for figure in figures_of("plot_curves")} == set(plot_curves.QUANTITIES)


def test_every_table_of_the_package_is_written_through_its_declaration():
    """Nothing else writes CSV."""
    for path in PACKAGE_FOLDER.rglob("*.py"):
        place = path.relative_to(PACKAGE_FOLDER).as_posix()
        if place not in ("storage/files.py", "results/tables.py"):
            assert not re.search(r"write_table|to_csv|read_csv", path.read_text()), place


def test_the_declarations_import_nothing_that_takes_time():
    code = "import sys, triptych.wings; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert not {"pandas", "numpy", "torch", "matplotlib", "pydantic"} & set(found.split())
