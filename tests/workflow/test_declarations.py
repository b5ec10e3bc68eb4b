"""Real tables are as declared; and what a new table and a new figure touch, tried in a copy of the checkout."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.workflow.conftest import rules_of, snakemake
from triptych.report.inputs import RULES_OF_IMAGE_FILES
from triptych.results.schema import EVERY_EPOCH
from triptych.results.tables import read_table, save_table
from triptych.wings import TABLES

SCHEMA, CATALOGUE = "workflow/triptych/results/schema.py", "workflow/triptych/figures/catalogue.py"
WRITER, MODULE = "workflow/triptych/analysis/collect_validation.py", "workflow/triptych/figures/plot_lengths.py"
RULES, SECTION = "workflow/rules/figures.smk", "workflow/triptych/report/sections/curves.py"

DECLARED_TABLE = """LENGTHS = Table(
    "lengths",
    "collect_validation",
    "epochs of every run",
    "a run",
    (ARM, SEED, whole("epochs_run", "Epochs that it ran.")),
    category="Tables",
)
"""
WRITTEN = '        "lengths": runs_table(arm_list, read, None, None)[["arm", "seed", "epochs_run"]],\n'
DECLARED_FIGURE = """LENGTHS = Figure(
    "lengths",
    "plot_lengths",
    "Epochs of every run",
    "A bar is a run.",
    (schema.LENGTHS,),
    category="Curves",
    label="lengths",
)
"""
DRAWN = '''"""How many epochs every run took."""

from pathlib import Path

from matplotlib.figure import Figure

from triptych.figures import style
from triptych.results import schema
from triptych.results.tables import read_table


def plot_lengths(*, lengths: Path, svg: Path, png: Path) -> None:
    """Draw a bar a run."""
    runs = read_table(lengths, schema.LENGTHS)
    figure = Figure(figsize=(style.WIDTH, 3), layout="constrained")
    figure.subplots().bar(runs["arm"] + " " + runs["seed"], runs["epochs_run"])
    style.save(figure, svg, png)
'''
RULE = """

# How many epochs every run took.
use rule plot_samples as plot_lengths with:
    input:
        **tables_for("plot_lengths"),
    output:
        **figures_by("plot_lengths"),
    log:
        "<logs>/plot_lengths/{part}{experiment}.log",
    benchmark:
        "<benchmarks>/plot_lengths/{part}{experiment}.tsv"
    params:
        command="plot-lengths",
        caption=figures_caption("plot_lengths"),
        code=code("figures.plot_lengths"),
"""


def git(checkout, *arguments) -> str:
    call = ["git", "-c", "user.name=test", "-c", "user.email=test", "-C", checkout, *arguments]
    return subprocess.run(call, capture_output=True, text=True, check=True, timeout=60).stdout


def insert(path, text: str, before: str) -> None:
    """Insert a text before the one place that begins with `before`."""
    old = path.read_text()
    assert old.count(before) == 1, f"{path}: {before!r}"
    path.write_text(old.replace(before, text + before))


def changed(checkout) -> set[str]:
    """The files of a copy that differ from its last commit, which then holds them."""
    git(checkout, "add", "--all")
    names = git(checkout, "diff", "--cached", "--name-only").splitlines()
    git(checkout, "commit", "--quiet", "--message", "changed")
    return set(names)


@pytest.mark.slow
def test_a_table_and_a_figure_are_added_in_their_own_places(finished, checkout):
    """Only real jobs show that nothing else must know of them: they reach the report, the manifest and its check."""
    git(checkout, "init", "--quiet")
    (checkout / ".gitignore").write_text("__pycache__/\n")
    assert len(changed(checkout)) > 50
    insert(checkout / SCHEMA, DECLARED_TABLE, before="\nTABLES = {")
    insert(checkout / WRITER, WRITTEN, before='        "weight_delta": _stacked')
    assert changed(checkout) == {SCHEMA, WRITER}
    (checkout / MODULE).write_text(DRAWN)
    insert(checkout / CATALOGUE, DECLARED_FIGURE, before="\nFIGURES = {")
    insert(checkout / SECTION, 'figure("lengths"), ', before='figure("train_loss"')
    (checkout / RULES).write_text((checkout / RULES).read_text() + RULE)
    assert changed(checkout) == {CATALOGUE, MODULE, SECTION, RULES}

    call = ["results/tiny/manifest.json", "--cores", "2", "--configfile", "tiny.yaml"]
    jobs = rules_of(snakemake("--dry-run", *call, directory=finished, checkout=checkout).stdout)
    assert {"collect_validation", "plot_lengths", "report", "write_manifest"} <= set(jobs)
    assert not {"train", "initialise_model", "extract_weight_delta", "prepare_dataset", "plot_samples"} & set(jobs)
    # the other figures would be drawn as they were
    made = ["--allowed-rules", "collect_validation", "plot_lengths", "report", "write_manifest"]
    snakemake(*call, *made, directory=finished, checkout=checkout)

    results = finished / "results" / "tiny"
    assert (results / "tables" / "lengths.csv").read_text().startswith("arm,seed,epochs_run\nscratch,0,1\n")
    page = (results / "report.html").read_text()
    assert 'alt="Epochs of every run"' in page and "<figcaption>A bar is a run.</figcaption>" in page
    assert 'download="lengths.csv"' in page and "epochs of every run" in page
    files = json.loads((results / "manifest.json").read_text())["files"]
    assert {"tables/lengths.csv", "figures/lengths.svg", "figures/lengths.png"} <= set(files)
    assert not [name for name, file in files.items() if "lengths" in name and file["measured"]]
    verify = [sys.executable, "-m", "triptych", "verify", results]
    environment = {**os.environ, "PYTHONPATH": str(checkout / "workflow")}
    subprocess.run(verify, check=True, timeout=60, env=environment)


@pytest.mark.slow
def test_the_tables_of_a_finished_graph_are_as_declared(whole, tmp_path):
    """Real tables of every rule but the downloads: read and written again they are the same bytes."""
    folder, seen, files = whole / "results" / "tiny", set(), set()
    found = [(path, table) for table in TABLES.values() for path in folder.glob(re.sub(r"\{\w+\}", "*", table.file))]
    for path, table in found:
        known = table.in_mode(EVERY_EPOCH)
        save_table(tmp_path / "table.csv", read_table(path, known, verbatim=True), known)
        assert (tmp_path / "table.csv").read_bytes() == path.read_bytes(), path
        seen.add(table.name)
        files.add(path)
    assert seen == {name for name, table in TABLES.items() if table.rule not in RULES_OF_IMAGE_FILES}
    assert files == set(folder.rglob("*.csv"))
