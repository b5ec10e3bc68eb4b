"""Each image by its name: predictions of every run, and the mistakes of the chosen arm."""

import json

import numpy
import pandas
import pytest

from tests.analysis.conftest import only
from tests.fabricated import OF_IMAGES
from triptych.analysis.collect_predictions import collect_predictions
from triptych.results import schema
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.files import write_table
from triptych.storage.tensors import load_tensors

ODD_NAMES = (
    "./a, b/1.jpg",
    './a "b"/2.jpg',
    "./a\nb/3.jpg",
    "./a\rb/4.jpg",
    "./-é/5 玫.jpg",
    "./😀.jpg",
    "./NA",
    "./$(ls)/8",
)


MODEL = ["row", "model_predicted", "model_probability"]


def options(experiment, folder, mode="after_decision", runs=None):
    return {
        "experiment_folder": experiment.folder,
        "runs": json.dumps(list((runs or experiment.runs).items())),
        **{name: experiment.options()[name] for name in ("arms", "comparison")},
        "mode": mode,
        "decision": experiment.folder / "decision.json",
        **{name: folder / f"{name}.csv" for name in OF_IMAGES},
    }


def written(experiment, folder, **own):
    """The two tables, their cells as texts."""
    collect_predictions(**options(experiment, folder, **own))
    return tuple(
        pandas.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("predictions", "mistakes")
    )


def rename(experiment, names):
    """Call the first test images otherwise."""
    path = experiment.folder / schema.INDEX.file
    index = pandas.read_csv(path, dtype=str, keep_default_na=False)
    rows = index.index[index["split"] == "test"][: len(names)]
    index.loc[rows, "name"] = names
    write_table(path, index)


def test_every_run_and_image_has_the_prediction_of_its_logits(opened, tmp_path):
    predictions, _ = written(opened, tmp_path)
    assert len(predictions) == 2 * 2 * (30 + 10)
    assert list(predictions) == ["path", "class", "predicted", "probability", "arm", "run", "split"]
    row = only(predictions, arm="a", run=1, split="test", path="digits-0099")  # the last of 60, 30 and 10
    assert (row["class"], row["predicted"]) == ("a, b", "01")
    logits = load_tensors(opened.run("a", 1) / "test.safetensors")["test_logits"][9].astype(float)
    assert row["probability"] == str(round(float((numpy.exp(logits) / numpy.exp(logits).sum()).max()), 4))
    accuracy = (predictions["class"] == predictions["predicted"]).groupby(
        [predictions["split"], predictions["arm"], predictions["run"]]
    )
    assert accuracy.mean()["test", "b", "0"] == 0.9
    assert (accuracy.sum()["validation", "a"] == [27, 29]).all()


def test_mistakes_are_those_of_the_chosen_arm_on_test_images(opened, tmp_path):
    chosen = json.loads((opened.folder / "decision.json").read_text())["chosen"]
    _, mistakes = written(opened, tmp_path)
    assert list(mistakes) == ["path", "class", "predicted", "probability", "runs", "arm", "split", *MODEL]
    assert set(mistakes["arm"]) == {chosen["arm"]} and set(mistakes["split"]) == {"test"}
    expected = {"a": {"digits-0099": "1"}, "b": {"digits-0090": "1", "digits-0091": "1"}}[chosen["arm"]]
    assert dict(zip(mistakes["path"], mistakes["runs"], strict=True)) == expected
    assert mistakes["probability"].astype(float).is_monotonic_decreasing


def test_before_the_decision_no_test_image_is_needed(opened, tmp_path):
    (opened.folder / "data" / "test.safetensors").unlink()
    predictions, mistakes = written(opened, tmp_path, mode="unopened", runs={"a": [1], "b": [1]})
    assert set(predictions["split"]) == set(mistakes["split"]) == {"validation"}
    assert len(predictions) == 2 * 30 and len(mistakes) == 1


def test_without_validation_images_after_every_epoch(fabricated, tmp_path):
    made = fabricated.copy(tmp_path / "experiment")
    made.collect()
    predictions, mistakes = written(made, tmp_path, mode="every_epoch")
    assert set(predictions["split"]) == set(mistakes["split"]) == {"test"}
    assert list(dict.fromkeys(predictions["arm"])) == ["middle", "good", "poor", "sanity"]


def test_where_nothing_is_chosen_the_mistakes_of_every_arm_are_listed(opened, tmp_path, monkeypatch):
    monkeypatch.setattr("triptych.analysis.collect_predictions.read_decision", lambda path: {"chosen": None})
    _, mistakes = written(opened, tmp_path)
    assert list(mistakes["arm"]) == ["a", "b", "b"]


def test_odd_names_survive_and_begin_as_they_are(opened, tmp_path):
    rename(opened, ODD_NAMES)
    predictions, _ = written(opened, tmp_path)
    own = predictions[(predictions["arm"] == "a") & (predictions["run"] == "0") & (predictions["split"] == "test")]
    assert tuple(own["path"][:8]) == ODD_NAMES
    assert tuple(read_table(tmp_path / "predictions.csv", schema.PREDICTIONS)["path"]) == tuple(predictions["path"])


def test_twice_the_same_bytes(opened, tmp_path):
    for folder in ("one", "two"):
        collect_predictions(**options(opened, tmp_path / folder))
    for name in OF_IMAGES:
        assert (tmp_path / f"one/{name}.csv").read_bytes() == (tmp_path / f"two/{name}.csv").read_bytes()


def test_an_index_of_other_images_is_refused(opened, tmp_path):
    path = opened.folder / schema.INDEX.file
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=r"index\.csv: expected the 10 test images of the data, found 9"):
        collect_predictions(**options(opened, tmp_path))


def test_an_unknown_mode_is_refused(opened, tmp_path):
    with pytest.raises(
        InputError, match="mode: expected one of after_decision, every_epoch, unopened, no_test, found 'never'"
    ):
        collect_predictions(**options(opened, tmp_path, mode="never"))
