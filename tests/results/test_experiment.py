"""One reader of an experiment's tables, and its look-ups."""

import subprocess
import sys

import pandas
import pytest
import yaml

from triptych.configuration.experiment import Experiment
from triptych.results.experiment import CONFIGURATION_KEYS, mean_curve, read_configuration, read_results
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


def test_a_mean_curve_goes_as_far_as_every_seed():
    history = pandas.DataFrame({"seed": [0, 0, 0, 1, 1], "epoch": [0, 1, 2, 0, 1], "loss": [4.0, 2, 1, 6, 4]})
    assert mean_curve(history, "loss").to_dict() == {0: 5.0, 1: 3.0}


def test_an_arm_has_one_name(found):
    assert found.names_of(["last_layer", "scratch"]) == ["net3 · last_layer", "net1 · scratch"]


def test_the_configuration_of_an_older_version_is_refused_with_what_to_do(tmp_path):
    assert set(CONFIGURATION_KEYS) == set(Experiment.model_fields)
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
