import pandas
import pytest
import torch

from tests.training.conftest import NETWORK, RECIPE, pretrain_weights
from triptych.results.schema import WEIGHTS_HISTORY
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors
from triptych.training import loop


@pytest.fixture
def arguments(files):
    """All but the outputs."""
    return {
        **{key: value for key, value in RECIPE.items() if key != "train_images"},
        **NETWORK,
        "normalisation": "dataset",
        "batch_size": 10,
        "learning_rate": 1e-3,
        "seed": 0,
        "train_data": files / "train.safetensors",
        "validation_data": files / "test.safetensors",
    }


def test_weights_are_trained_kept_and_their_held_out_accuracy_recorded(arguments, tmp_path):
    arguments |= {"architecture": "resnet18"}  # which learns in few steps
    for name in ("first", "second"):
        pretrain_weights(**arguments, weights=tmp_path / name, history=tmp_path / "history.csv")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    history = pandas.read_csv(tmp_path / "history.csv")
    assert list(history.columns) == WEIGHTS_HISTORY.names
    assert not [name for name in history.columns if name.startswith("test")]
    metadata = load_metadata(tmp_path / "first")
    assert metadata["held_out_accuracy"] == pytest.approx(history["validation_accuracy"].iloc[-1])
    assert metadata["held_out_accuracy"] > 60  # a third by chance
    assert metadata["architecture"] == "resnet18"
    assert metadata["normalisation"]["mean"][0] > metadata["normalisation"]["mean"][1]  # some classes are red
    assert load_tensors(tmp_path / "first")["fc.weight"].shape == (3, 512)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 1e30}, r"loss is (nan|inf) in epoch 1, .*lower weights\.learning_rate \(now 1e\+30\)"),
        ({"batch_size": 7}, r"weights\.batch_size: 7 leaves one of 50 images for the last batch"),
    ],
)
def test_what_fails_names_the_settings_of_pretraining(arguments, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        pretrain_weights(**arguments | changes, weights=tmp_path / "weights", history=tmp_path / "history.csv")
    assert not list(tmp_path.iterdir())


def test_memory_that_a_step_lacks_names_the_batch_of_pretraining(arguments, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "cross_entropy", lambda *values: torch.empty(1 << 60, dtype=torch.uint8))
    monkeypatch.setattr(loop, "evaluate", lambda *values: (None, None, torch.empty(0)))
    with pytest.raises(InputError, match=r"in epoch 1, step 1 .*; lower weights\.batch_size \(now 10\)"):
        pretrain_weights(**arguments, weights=tmp_path / "weights", history=tmp_path / "history.csv")
