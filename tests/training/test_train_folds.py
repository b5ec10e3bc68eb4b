"""A fold is trained as if its images were in files of their own, and resumes as any run does."""

import numpy
import pytest

from tests.training.conftest import train
from triptych.data.dataset import Split, load_split, save_split
from triptych.data.folds import Folds, save_folds
from triptych.data.halves import decision_half
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors
from triptych.training import train as module
from triptych.training.checkpoints import Checkpoints

FOLD = 3


@pytest.fixture
def folded(arguments, tmp_path):
    """The options of a fold, and which images it holds out."""
    images = len(load_split(arguments["train_data"]))
    parts = numpy.stack([numpy.arange(images) % 2, numpy.random.default_rng(0).permutation(images) % 2])
    folds = Folds(parts.astype(numpy.uint8), 2)
    save_folds(tmp_path / "folds.safetensors", folds)
    save_split(tmp_path / "none.safetensors", load_split(arguments["validation_data"]).first(0))
    own = {"folds": tmp_path / "folds.safetensors", "fold": FOLD, "validation_data": tmp_path / "none.safetensors"}
    without_test = {name: value for name, value in arguments.items() if name != "test_data"}
    return without_test | own | {"epochs": 1}, folds.held_out(FOLD)


def to(folder, options):
    """The options with outputs in another folder."""
    return options | {name: folder / options[name].name for name in ("trained", "history", "predictions", "cost")}


def test_a_fold_is_the_training_of_its_rows(folded, tmp_path):
    options, held_out = folded
    train(**options)
    whole = load_split(options["train_data"])
    apart = to(tmp_path / "apart", {name: value for name, value in options.items() if name not in ("folds", "fold")})
    for name, rows in (("train", ~held_out), ("validation", held_out)):
        apart[f"{name}_data"] = tmp_path / f"{name} of the fold.safetensors"
        save_split(apart[f"{name}_data"], Split(whole.images[rows], whole.labels[rows], whole.classes))
    train(**apart)
    for name in ("history", "predictions"):
        assert apart[name].read_bytes() == options[name].read_bytes()
    weights = [load_tensors(one["trained"]) for one in (options, apart)]
    assert all(weights[0][name].tobytes() == weights[1][name].tobytes() for name in weights[0])
    described, other = (load_metadata(one["trained"]) for one in (options, apart))
    assert described["run"].pop("fold") == FOLD and "fold" not in other["run"]
    assert described == other


def test_one_half_of_all_images_selects_the_epoch_in_every_repeat(folded, monkeypatch):
    options, held_out = folded
    seen = {}

    def fit(*arguments):
        seen["selection"] = arguments[7]
        raise InterruptedError

    monkeypatch.setattr(module, "fit", fit)
    with pytest.raises(InterruptedError):
        train(**options | {"keep": "best"})
    whole = load_split(options["train_data"])
    assert seen["selection"].tolist() == (~decision_half(whole.images, whole.labels))[held_out].tolist()


def test_a_fold_that_was_interrupted_ends_in_the_same_bytes(folded, tmp_path, monkeypatch):
    options = folded[0] | {"epochs": 2}
    train(**options)
    again = to(tmp_path / "again", options) | {"checkpoints": tmp_path / "checkpoints"}
    save = Checkpoints.save

    def interrupted(self, tensors, state):
        save(self, tensors, state)
        if state["epoch"] == 2:
            raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", interrupted)
        with pytest.raises(InterruptedError):
            train(**again)
    train(**again | {"fold": FOLD - 1} | to(tmp_path / "other", again) | {"epochs": 1})  # another fold takes no notice
    train(**again)
    assert [again[name].read_bytes() for name in ("trained", "history", "predictions")] == [
        options[name].read_bytes() for name in ("trained", "history", "predictions")
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fold": None}, "^--folds and --fold: give both, or neither"),
        ({"folds": None}, "^--folds and --fold: give both, or neither"),
        ({"fold": 4}, "^fold 4: there is no such fold; give a number from 0 to 3"),
        ({"train_images": 9}, "expected the folds of 9 training images, found those of 50"),
    ],
)
def test_wrong_options_of_folds_are_one_message(folded, changes, message):
    with pytest.raises(InputError, match=message):
        train(**folded[0] | changes)


def test_with_folds_there_are_no_other_validation_images(folded, arguments):
    with pytest.raises(InputError, match=r"expected no image, since a fold validates; found 9\."):
        train(**folded[0] | {"validation_data": arguments["validation_data"]})
