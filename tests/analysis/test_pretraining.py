"""What pretraining on letters takes."""

import pytest

from tests.fabricated import SETTINGS
from triptych.analysis.pretraining import pretraining_macs
from triptych.results.experiment import read_results


@pytest.fixture
def results(shelf):
    return read_results(shelf().folder)


def test_three_forward_passes_for_each_letter_in_each_epoch(results):
    macs = results.tables["models"]["macs"].iloc[0]
    letters = results.configuration["weights"]["train_images"]
    assert (letters, SETTINGS["weights"]["epochs"]) == (11_000, 2)
    assert pretraining_macs(results, "resnet18") == 3 * macs * 11_000 * 2


def test_a_network_that_no_arm_has_at_the_size_of_the_letters(results):
    assert pretraining_macs(results, "resnet50") is None
    results.configuration["model"]["input_size"] = 48
    assert pretraining_macs(results, "resnet18") is None
