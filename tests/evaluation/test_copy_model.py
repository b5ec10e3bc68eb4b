"""The chosen run's weights are copied byte for byte, and nothing is copied that the decision did not choose."""

import json

import pytest

from triptych.evaluation.copy_model import copy_model
from triptych.results.decision import DECISION_KEYS, decision_digest
from triptych.storage.errors import InputError


def write_decision(path, chosen):
    content = dict.fromkeys(DECISION_KEYS) | {"chosen": chosen}
    path.write_text(json.dumps(content | {"digest": decision_digest(content)}))
    return path


@pytest.fixture
def trained(tmp_path):
    path = tmp_path / "trained.safetensors"
    path.write_bytes(bytes(range(256)))
    return path


def test_the_weights_of_the_chosen_run_are_copied(trained, tmp_path):
    decision = write_decision(tmp_path / "decision.json", {"arm": "finetune", "seed": 1})
    copy_model(decision=decision, trained=trained, model=tmp_path / "model" / "model.safetensors")
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == {
        "model.safetensors": trained.read_bytes()
    }


def test_without_a_chosen_run_there_is_no_model(trained, tmp_path):
    decision = write_decision(tmp_path / "decision.json", None)
    for given in ({}, {"trained": trained}):
        with pytest.raises(InputError, match=r"decision\.json: no run was chosen"):
            copy_model(decision=decision, **given, model=tmp_path / "model.safetensors")


def test_the_weights_of_a_chosen_run_are_needed(tmp_path):
    decision = write_decision(tmp_path / "decision.json", {"arm": "finetune", "seed": 1})
    with pytest.raises(InputError, match="--trained is missing; give the weights of finetune with seed 1"):
        copy_model(decision=decision, model=tmp_path / "model.safetensors")


def test_a_decision_that_was_changed_by_hand_is_refused(trained, tmp_path):
    decision = write_decision(tmp_path / "decision.json", {"arm": "finetune", "seed": 1})
    decision.write_text(decision.read_text().replace("finetune", "scratch"))
    with pytest.raises(InputError, match=r"decision\.json: the decision was changed by hand; delete it and run again"):
        copy_model(decision=decision, trained=trained, model=tmp_path / "model.safetensors")


def test_weights_that_are_gone_end_in_one_message(tmp_path):
    decision = write_decision(tmp_path / "decision.json", {"arm": "finetune", "seed": 1})
    with pytest.raises(InputError, match=r"trained\.safetensors: the file is missing"):
        copy_model(decision=decision, trained=tmp_path / "trained.safetensors", model=tmp_path / "model.safetensors")
    assert not (tmp_path / "model.safetensors").exists()
