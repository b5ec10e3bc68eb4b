"""The weights of a run of the chosen arm are copied byte for byte; without a chosen arm nothing is."""

import pytest

from tests.evaluation.conftest import write_decision
from triptych.evaluation.copy_member import copy_member
from triptych.storage.errors import InputError


@pytest.fixture
def trained(tmp_path):
    path = tmp_path / "trained.safetensors"
    path.write_bytes(bytes(range(256)))
    return path


def test_the_weights_of_a_run_that_is_not_the_chosen_one_are_copied(trained, tmp_path, capsys):
    decision = write_decision(tmp_path / "decision.json", {"arm": "finetune", "seed": 1})
    member = tmp_path / "model" / "model-seed0_fold2.safetensors"
    copy_member(seed=0, fold=2, decision=decision, trained=trained, member=member)
    assert {path.name: path.read_bytes() for path in member.parent.iterdir()} == {member.name: trained.read_bytes()}
    assert capsys.readouterr().out == f"finetune, seed 0, fold 2: {member}\n"


@pytest.mark.parametrize(
    ("chosen", "given", "message"),
    [
        (None, "trained.safetensors", r"decision\.json: no run was chosen"),
        ({"arm": "finetune", "seed": 1}, None, "--trained is missing; give the weights of finetune, seed 0"),
        ({"arm": "finetune", "seed": 1}, "none.safetensors", r"none\.safetensors: the file is missing"),
    ],
)
def test_what_is_missing_ends_in_one_message(trained, tmp_path, chosen, given, message):
    decision, member = write_decision(tmp_path / "decision.json", chosen), tmp_path / "model.safetensors"
    with pytest.raises(InputError, match=message):
        copy_member(seed=0, decision=decision, trained=given and trained.with_name(given), member=member)
    assert not member.exists()
