"""One reader of an experiment's tables, and its look-ups."""

import subprocess
import sys

import pandas
import pytest
import yaml

from triptych.configuration.experiment import Experiment
from triptych.results.experiment import CONFIGURATION_KEYS, mean_curve, mode_of, read_configuration, read_results
from triptych.results.schema import EXPERIMENT_TABLES, tables_of_mode
from triptych.storage.errors import InputError


@pytest.fixture
def found(shelf):
    return read_results(shelf().folder)


def test_a_lead_has_the_sign_of_its_order(found):
    difference, low, high, verdict = found.lead("finetune", "scratch")
    assert found.lead("scratch", "finetune") == (-difference, -high, -low, verdict)
    assert difference == pytest.approx(6.0) and low < difference < high and verdict == "better"
    with pytest.raises(InputError, match="scratch and other are not compared"):
        found.lead("scratch", "other")


def test_arms_are_in_the_order_of_the_decision(found):
    assert found.contestants == [entry["arm"] for entry in found.decision["ranking"]]
    assert found.contestants == ["finetune", "scratch", "last_layer"]
    assert found.ranking["scratch"]["accuracy"] == pytest.approx(91 + 1 / 3)
    found.tables["summary"]["test_accuracy_mean"] = [99.0, 1.0, 2.0]
    assert found.contestants == ["finetune", "scratch", "last_layer"]


def test_a_run_has_its_test_results(found):
    runs = found.tables["runs"]
    assert runs["validation_accuracy"].notna().all()
    assert runs["test_accuracy"].tolist() == found.tables["test_results"]["test_accuracy"].tolist()
    assert found.opened["openings"] == len(runs) == 9


def test_test_results_of_other_runs(shelf, tmp_path):
    folder = shelf().copy(tmp_path / "digits", without=("runs",)).folder
    path = folder / "tables" / "test_results.csv"
    path.write_text("".join(path.read_text().splitlines(True)[:-1]))
    with pytest.raises(InputError, match=r"test_results\.csv: expected the runs of runs\.csv, found others"):
        read_results(folder)


def test_tables_and_curves_follow_the_mode(shelf, tmp_path):
    after, every = shelf(), shelf(test="every_epoch")
    failed = after.copy(tmp_path / "digits")
    failed.runs = {"scratch": [0, 1], "last_layer": [2]}
    failed.complete("partial/")
    modes = {"after_decision": (after.folder, None, None), "every_epoch": (every.folder, None, None)}
    modes["unopened"] = (failed.folder, failed.folder / "partial", {"scratch": [2]})
    for mode, (folder, part, missing) in modes.items():
        found = read_results(folder, part, missing)
        assert found.mode == mode == mode_of(found.configuration, missing)
        only_linked = {name for name, table in EXPERIMENT_TABLES.items() if table.for_download}
        assert only_linked == {"predictions"}
        assert set(found.tables) == set(tables_of_mode(mode)) & set(EXPERIMENT_TABLES) - only_linked
        assert found.curve_column("loss") == f"{found.curve_split}_loss"
        assert found.curve_split == ("test" if mode == "every_epoch" else "validation")
        assert found.curve("scratch", found.curve_column("accuracy")).notna().all()
        assert ("test_accuracy" in found.tables["history"]) == (mode == "every_epoch")
        assert (found.opened is None) == (mode != "after_decision")
        assert found.is_tested == ("summary" in found.tables) == ("test_accuracy" in found.tables["runs"])
    assert found.contestants == ["scratch", "last_layer"] and found.numbers_of_runs == [1, 2]


def test_a_decision_that_was_edited_is_refused(shelf, tmp_path):
    folder = shelf().copy(tmp_path / "digits", without=("runs",)).folder
    path = folder / "decision.json"
    path.write_text(path.read_text().replace('"prefer": "accurate"', '"prefer": "cheap"'))
    with pytest.raises(InputError, match=r"decision\.json: the decision was changed by hand"):
        read_results(folder)


def test_a_mean_curve_goes_as_far_as_every_seed():
    history = pandas.DataFrame({"seed": [0, 0, 0, 1, 1], "epoch": [0, 1, 2, 0, 1], "loss": [4.0, 2, 1, 6, 4]})
    assert mean_curve(history, "loss").to_dict() == {0: 5.0, 1: 3.0}


def test_an_arm_has_one_name(found):
    assert found.names_of(["last_layer", "scratch"]) == ["net3 · last_layer", "net1 · scratch"]


def test_the_configuration_of_an_older_version_is_refused_with_what_to_do(tmp_path):
    assert set(CONFIGURATION_KEYS) == set(Experiment.model_fields) - {"ensemble"}  # in effect only if it is true
    path = tmp_path / "config.yaml"
    older = {key: None for key in CONFIGURATION_KEYS if key not in ("report", "test")}
    path.write_text(yaml.safe_dump({"experiments": {"digits": older}}))
    with pytest.raises(InputError, match=r"config\.yaml: no test, report: another .* Delete the file and run"):
        read_configuration(path)


def test_reading_needs_no_torch():
    """Only a process of its own shows what an import brings along."""
    call = "import sys, triptych.results.experiment; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
