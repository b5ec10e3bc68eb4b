import pandas
import pytest

from triptych.tensors import load_metadata, load_tensors
from triptych.training.loop import HISTORY_COLUMNS
from triptych.training.pretrain_weights import pretrain_weights


def test_weights_are_trained_kept_and_their_held_out_accuracy_recorded(files, tmp_path):
    arguments = {
        "architecture": "resnet18",
        "input_size": 32,
        "normalisation": "dataset",
        "epochs": 2,
        "batch_size": 10,
        "learning_rate": 1e-3,
        "evaluation_batch_size": 32,
        "num_threads": 1,
        "device": "cpu",
        "seed": 0,
        "train_data": files / "train.safetensors",
        "test_data": files / "test.safetensors",
    }
    for name in ("first", "second"):
        pretrain_weights(**arguments, weights=tmp_path / name, history=tmp_path / "history.csv")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    history = pandas.read_csv(tmp_path / "history.csv")
    assert list(history.columns) == HISTORY_COLUMNS
    assert history["validation_loss"].isna().all()
    metadata = load_metadata(tmp_path / "first")
    assert metadata["held_out_accuracy"] == pytest.approx(history["test_accuracy"].iloc[-1])
    assert metadata["held_out_accuracy"] > 60  # a third by chance
    assert metadata["architecture"] == "resnet18"
    assert metadata["normalisation"]["mean"][0] > metadata["normalisation"]["mean"][1]  # some classes are red
    assert load_tensors(tmp_path / "first")["fc.weight"].shape == (3, 512)
