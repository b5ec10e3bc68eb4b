"""The sections about the lecture: in reports with its claims, and in no other."""

from dataclasses import replace

import pandas
import pytest
import yaml

from tests.report.test_report import Page, written
from triptych.lecture45 import sections
from triptych.lecture45.verdicts import RULES_DATE
from triptych.results.experiment import read_results
from triptych.storage.errors import InputError

DIFFERENT = "epochs 2, not 10"
FILES = "the archive of the images is not the official file"
CLAIMS = [
    ("02:08", "a batch fits", "1.9 GiB", "agrees", "within 8 GB", ""),
    ("12:43", "net3 is ahead", "net3 60.0 %", "not tested here", "another run than the lecture’s", DIFFERENT),
    ("19:12", "it changes", "1 %", "not tested here", "another run than the lecture’s", DIFFERENT),
    ("19:25", "they look alike", "45 of 64", "undecided", "open: alike", FILES),
    ("20:50", "nothing moves", "", "disagrees", "it <moved>", ""),
]
VERDICTS = [
    (rules, "02:08", f"claim {number}", verdict, "because")
    for rules, verdicts in (
        ("2026-11-25", ["agrees", "agrees", "disagrees"]),
        ("2026-11-26", ["agrees", "not tested here", "not tested here"]),
        ("2026-11-28", ["agrees", "disagrees", "undecided", "disagrees"]),
    )
    for number, verdict in enumerate(verdicts)
]
FAULTS = [(number, f"notebook {number}", f"here {number}", f"effect {number}", None, "") for number in range(1, 18)]
BACKWARD = {
    "device": "cpu",
    "device_name": "A Processor",
    "batch_size": 32,
    "images_per_second_notebook": 23.04,
    "images_per_second_here": 63.8,
    "ratio": 2.77,
    "ratio_low": 2.7,
    "ratio_high": 2.9,
    "n": 5,
}
FULL_RUN = [
    (run, arm, seed, epoch, 100 * epoch, accuracy + seed + epoch)
    for run, accuracy in (("this run", 20), ("full run", 60))
    for arm in ("scratch", "finetune")
    for seed in ((0, 1) if run == "this run" else (0,))
    for epoch in range(3)
]
SETTINGS = [("images", "cifar10", "cifar10"), ("epochs", "2", "10"), ("precision", "float32", "bfloat16")]


@pytest.fixture
def claimed(experiment):
    """The folder of an experiment with claims."""
    folder = experiment()
    path = folder / "config.yaml"
    content = yaml.safe_load(path.read_text())
    content["experiments"]["digits"]["claims"] = "lecture45"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    tables = {
        "claims": pandas.DataFrame(CLAIMS, columns=["at", "claim", "number", "verdict", "reason", "different"]),
        "faults": pandas.DataFrame(FAULTS, columns=["fault", "notebook", "here", "effect", "value", "unit"]),
        "cost_backward": pandas.DataFrame([BACKWARD]),
        "full_run": pandas.DataFrame(FULL_RUN, columns=["run", "arm", "seed", "epoch", "images_seen", "test_accuracy"]),
        "full_run_settings": pandas.DataFrame(SETTINGS, columns=["setting", "this_run", "full_run"]),
        "full_run_verdicts": pandas.DataFrame(VERDICTS, columns=["rules", "at", "claim", "verdict", "reason"]),
    }
    for name, table in tables.items():
        table.to_csv(folder / "tables" / f"{name}.csv", index=False)
    for name in ("full_run", "notebook_loss", "notebook_kernels"):
        svg = (folder / "figures" / "memory.svg").read_text()
        (folder / "figures" / f"{name}.svg").write_text(svg)
    return folder


def said_by(page):
    return " ".join(" ".join(page.text).replace("\u00a0", " ").split())


def test_claims_and_faults_are_shown_with_their_numbers(claimed):
    page = Page(written(claimed))
    said = said_by(page)
    assert page.faults == []
    assert (
        "Of 5 claims, this run agrees with 1 and disagrees with 1; 1 is undecided, and 2 are not tested here." in said
    )
    assert f"A fixed rule of {RULES_DATE} decides each verdict" in said
    assert "This run is not the lecture’s (epochs 2, not 10)" in said
    assert said.count("epochs 2, not 10") == 1
    assert f"The files are not the lecture’s ({FILES}). A verdict is about this run as it is" in said
    assert "first version of 2018" in said
    assert "it <moved>" in said
    for number in (1, 2, 17):
        assert f"effect {number}" in said
    assert {"claims", "faults", "notebook_loss", "notebook_kernels"} <= {
        values["id"] for _, values in page.elements if "id" in values
    }
    links = page.attributes("a", "href")
    assert {"#claims", "#faults"} <= set(links)
    assert {"claims.csv", "faults.csv", "cost_backward.csv"} <= set(page.attributes("a", "download"))
    kinds = {source.split(",")[0] for source in page.attributes("img", "src")}
    assert kinds == {"data:image/svg+xml", "data:image/jpeg;base64"}  # figures, and pictures of mistakes


def test_the_page_tells_how_verdicts_on_the_full_run_moved(claimed):
    """Counted from the table; with other rows it says other numbers."""
    said = said_by(Page(written(claimed)))
    assert "On the stored full run they were 2 / 1 / 0 / 0, then 1 / 0 / 0 / 2 (agrees / disagrees / undecided" in said
    assert "By the rules of 2026-11-28, computed from its tables, they are 1 / 2 / 1 / 0." in said
    assert "2026-11-26 3 1 0 0 2" in said
    path = claimed / "tables" / "full_run_verdicts.csv"
    pandas.read_csv(path).query("claim != 'claim 3'").to_csv(path, index=False)
    assert "they are 1 / 1 / 1 / 0." in said_by(Page(written(claimed)))


def test_what_follows_from_one_seed_is_said(claimed, results_with):
    assert sections.one_seed(results_with(1))[0].startswith(
        "With one seed, verdicts on losses and accuracies are about"
    )
    assert sections.one_seed(results_with(2)) == []


@pytest.fixture
def results_with(claimed):
    """A function that gives the results of an experiment with so many seeds."""

    def make(seeds):
        found = read_results(claimed)
        runs = found.tables["runs"]
        first = runs[runs["seed"].isin(list(dict.fromkeys(runs["seed"]))[:seeds])]
        return replace(found, tables={**found.tables, "runs": first})

    return make


def test_the_full_run_is_compared_with_this_run(claimed):
    page = Page(written(claimed))
    said = said_by(page)
    assert "ended at net1 · scratch 62.0 %, net2 · finetune 62.0 %; this run ended at net1 · scratch 22.5 %" in said
    assert "They differ in 2 settings" in said
    assert "full_run" in {values["id"] for _, values in page.elements if "id" in values}
    assert {"full_run.csv", "full_run_settings.csv"} <= set(page.attributes("a", "download"))
    assert said.index("epochs 2 10 yes") < said.index("images cifar10 cifar10 no")


def test_the_measured_cost_is_in_the_row_of_fault_5(claimed):
    said = said_by(Page(written(claimed)))
    assert (
        "measured in float32: 23.0 images a second with the unused backward pass, 63.8 without: 2.77 times as "
        "fast (2.70 to 2.90; "
        "A Processor, batches of 32)"
    ) in said
    assert "effect 5 " not in said


def test_every_column_is_explained(claimed):
    assert {"film", "claim", "this run", "reason", "the notebook", "here", "effect"} <= set(
        Page(written(claimed)).explained
    )


def test_an_experiment_without_claims_has_none_of_it(experiment):
    folder = experiment()
    assert not sections.CLAIMS.needs(read_results(folder))
    text = written(folder)
    assert "The lecture’s claims" not in text
    assert "cost_backward" not in text
    assert "Numbers from elsewhere" not in text


@pytest.mark.parametrize("name", ["claims", "faults", "cost_backward", "full_run_verdicts"])
def test_a_missing_table_is_named(claimed, name):
    (claimed / "tables" / f"{name}.csv").unlink()
    with pytest.raises(InputError, match=rf"{name}\.csv: the file is missing"):
        written(claimed)
