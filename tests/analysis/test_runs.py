import json

import numpy
import pandas
import pytest

from triptych.analysis.runs import read_answers, read_run, read_truth, read_truths
from triptych.results.schema import AFTER_DECISION, EVERY_EPOCH
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_tensors, save_tensors


@pytest.fixture
def read(experiment):
    """A function that reads the run of the arm `good` with seed 0."""
    (arm,) = (arm for arm in experiment.arms if arm["name"] == "good")
    truths = read_truths(experiment.folder, EVERY_EPOCH)
    return lambda: read_run(experiment.folder, arm, 0, truths, EVERY_EPOCH)


@pytest.fixture
def folder(experiment):
    return experiment.run("good", 0)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_run(read, experiment):
    run = read()
    assert (run.arm, run.seed) == ("good", 0)
    assert run.answers["test"].predicted.tolist() == experiment.labels.tolist()
    assert run.answers["test"].accuracy == 100 and list(run.answers) == ["test"]
    assert run.kept("fit_accuracy") == 99.5
    assert numpy.isnan(run.kept("validation_loss"))
    assert (run.kept_epoch, run.epochs_run) == (2, 2)


def test_the_largest_logit_decides_and_of_equal_ones_the_first(read, folder):
    logits = load_tensors(folder / "predictions.safetensors")
    logits["test_logits"][0] = [-2, -3, -4]
    logits["test_logits"][1] = [5, 5, 5]
    save_tensors(folder / "predictions.safetensors", logits)
    assert read().answers["test"].predicted[:2].tolist() == [0, 0]


def test_too_few_epochs(read, folder):
    lines = (folder / "history.csv").read_text().splitlines()
    (folder / "history.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(InputError, match=r"seed0/history\.csv: expected the epochs 0 to 2, found 0, 1\.$"):
        read()


def test_an_epoch_twice(read, folder):
    lines = (folder / "history.csv").read_text().splitlines()
    (folder / "history.csv").write_text("\n".join([*lines, lines[-1]]) + "\n")
    with pytest.raises(InputError, match="expected the epochs 0 to 2, found 0, 1, 2, 2"):
        read()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fit_loss", "fitted", r"no column fit_loss; found epoch, .*fitted"),
        ("49.85", "many", "column test_accuracy should hold numbers .*many"),
        ("49.85", "", "expected a number for test_accuracy in epoch 1, found none"),
        ("1.192,52.85", ",", "expected a number for train_loss in epoch 1, found none"),
        ("0.02,99.5", "0.02,", "expected a number for fit_accuracy in epoch 2, found none"),
    ],
)
def test_a_history_that_lacks_something(read, folder, old, new, message):
    edit(folder / "history.csv", old, new)
    with pytest.raises(InputError, match=rf"seed0/history\.csv: {message}"):
        read()


def test_before_the_decision_a_run_is_about_validation_images(decided):
    run = read_run(decided.folder, decided.arms[0], 0, read_truths(decided.folder, AFTER_DECISION), AFTER_DECISION)
    assert list(run.answers) == ["validation"]
    assert numpy.flatnonzero(~run.answers["validation"].correct).tolist() == [0, 1, 2]
    assert run.kept("validation_accuracy") == run.answers["validation"].accuracy == 90
    assert "test_accuracy" not in run.history
    path = decided.run("a", 0) / "history.csv"
    path.write_text(path.read_text().replace(",90.0,", ",80.0,"))
    with pytest.raises(
        InputError, match=r"predictions\.safetensors: expected a validation accuracy of 80.0 %.* 90.0 %"
    ):
        read_run(decided.folder, decided.arms[0], 0, read_truths(decided.folder, AFTER_DECISION), AFTER_DECISION)


def test_a_loss_is_the_cross_entropy_of_the_logits(read, folder, experiment):
    logits = numpy.full((10, 3), 900.0, numpy.float32)  # too large for a plain exponential
    logits[numpy.arange(10), experiment.labels] = 899.0
    save_tensors(folder / "predictions.safetensors", {"test_logits": logits})
    answers = read_answers(folder / "predictions.safetensors", read_truth(experiment.folder / "data/test.safetensors"))
    assert answers.loss == pytest.approx(numpy.log(2 * numpy.e + 1)) and answers.accuracy == 0


@pytest.mark.parametrize("shape", [(9, 3), (10, 4), (30,)])
def test_logits_of_another_test_set(read, folder, shape):
    save_tensors(folder / "predictions.safetensors", {"test_logits": numpy.zeros(shape, numpy.float32)})
    expected = rf"predictions\.safetensors: expected test_logits \[10, 3\] .*, found \[{', '.join(map(str, shape))}\]"
    with pytest.raises(InputError, match=expected):
        read()


def test_predictions_without_test_logits(read, folder):
    save_tensors(folder / "predictions.safetensors", {"logits": numpy.zeros((10, 3), numpy.float32)})
    with pytest.raises(InputError, match=r"predictions\.safetensors: there is no tensor test_logits"):
        read()


def test_predictions_of_another_run(read, folder):
    """Both files are well formed, and yet do not belong together."""
    logits = load_tensors(folder / "predictions.safetensors")
    logits["test_logits"][:2] = [0, 1, 0]
    save_tensors(folder / "predictions.safetensors", logits)
    with pytest.raises(
        InputError, match=r"predictions\.safetensors: expected a test accuracy of 100.0 %.* found 80.0 %"
    ):
        read()


@pytest.mark.parametrize("key", ["file_bytes", "parameters", "head_parameters", "buffer_elements"])
def test_weights_that_lack_a_number(read, folder, key):
    path = folder / "weights.json"
    weights = json.loads(path.read_text())
    for wrong in (None, "many", 1.5, True, -1):
        path.write_text(json.dumps(weights | {key: wrong}))
        with pytest.raises(InputError, match=rf"weights\.json: expected a whole number for {key}, found "):
            read()
    path.write_text(json.dumps({name: number for name, number in weights.items() if name != key}))
    with pytest.raises(InputError, match=rf"weights\.json: missing keys {key}; expected are "):
        read()


@pytest.mark.parametrize(
    ("old", "message"),
    [
        (
            "layer1.0.conv1.weight,parameter,81",
            "parameters with 1896 elements, as in weights.json, found 1897",
        ),
        (
            "layer2.0.downsample.1.running_mean,buffer,3",
            "buffers with 140 elements, as in weights.json, found 141",
        ),
    ],
)
def test_deltas_of_another_network(read, folder, old, message):
    name, number = old.rsplit(",", 1)
    edit(folder / "weight_delta.csv", f"{old},", f"{name},{int(number) + 1},")
    with pytest.raises(InputError, match=rf"weight_delta\.csv: expected {message}"):
        read()


def test_deltas_without_sizes(read, folder):
    edit(folder / "weight_delta.csv", "layer1.0.conv1.weight,parameter,81,", "layer1.0.conv1.weight,parameter,,")
    with pytest.raises(InputError, match=r"weight_delta\.csv: expected whole numbers in the column size"):
        read()


def test_costs_that_lack_a_figure(read, folder):
    edit(folder / "cost.json", "images_per_second", "frames_per_second")
    with pytest.raises(InputError, match=r"cost\.json: missing keys images_per_second; expected are "):
        read()


def test_a_test_set_without_images(experiment, tmp_path):
    save_tensors(tmp_path / "empty.safetensors", {"labels": numpy.zeros(0, numpy.int64)}, {"classes": ["a"]})
    with pytest.raises(InputError, match=r"empty\.safetensors: expected empty images"):
        read_truth(tmp_path / "empty.safetensors")


@pytest.fixture
def read_lagging(experiment):
    """A function that reads a run with re-estimated statistics, by a recipe or arm with changes."""
    experiment.add_arm("lagging", [[], []], lag=40.0)
    arm, truths = experiment.arms[-1], read_truths(experiment.folder, EVERY_EPOCH)

    def read(recalibrate="final", **changes):
        recipe = {**arm["training"], "recalibrate_batchnorm": recalibrate}
        return read_run(experiment.folder, {**arm, **changes, "training": recipe}, 0, truths, EVERY_EPOCH)

    return read


def test_logits_of_a_recalibrated_run_are_those_with_re_estimated_statistics(read_lagging):
    run = read_lagging()
    assert run.answers["test"].accuracy == run.kept("reestimated_test_accuracy") == 100 > run.kept("test_accuracy")
    with pytest.raises(InputError, match=r"predictions\.safetensors: expected a test accuracy of 7.* found 100.0 %"):
        read_lagging("never")


def test_epochs_with_re_estimated_statistics_fit_the_recipe(read_lagging, experiment):
    path = experiment.run("lagging", 0) / "history.csv"
    message = r"history\.csv: values with re-estimated BatchNorm statistics in the epochs {} do not fit the recipe"
    with pytest.raises(InputError, match=message.format("1, 2") + ".*BatchNorm frozen"):
        read_lagging(batchnorm="frozen")
    history = pandas.read_csv(path)
    columns = [name for name in history if name.startswith("reestimated_test")]
    for rows, cells, epochs in ((2, columns, "1"), (1, columns, "2"), (2, columns[:1], "1, 2")):
        changed = history.copy()
        changed.loc[rows, cells] = None
        changed.to_csv(path, index=False)
        with pytest.raises(InputError, match=message.format(epochs)):
            read_lagging()


def read_long(experiment, **changes):
    """The first run of an arm that stopped after 3 of at most 4 epochs and kept epoch 2, by a recipe with changes."""
    experiment.add_arm("long", [[], []], ran=[3, 3], kept=[2, 2], training={"epochs": 4, "patience": 1, "keep": "best"})
    arm = experiment.arms[-1]
    arm = {**arm, "training": {**arm["training"], **changes}}
    return read_run(experiment.folder, arm, 0, read_truths(experiment.folder, EVERY_EPOCH), EVERY_EPOCH)


def test_a_run_that_stopped(experiment):
    run = read_long(experiment)
    assert (run.kept_epoch, run.epochs_run) == (2, 3)
    assert run.kept("test_accuracy") == 100
    assert run.kept("fit_accuracy") == 99.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patience": None}, r"expected the epochs 0 to 4, found 0, 1, 2, 3\.$"),
        ({"epochs": 2}, r"expected the epochs 0 to 2 \(at most\), found 0, 1, 2, 3\.$"),
        ({"keep": "last"}, r"expected the mark of the kept epoch \(1\) in epoch 3 only, found 2\.$"),
    ],
)
def test_a_run_that_does_not_fit_its_recipe(experiment, changes, message):
    with pytest.raises(InputError, match=message):
        read_long(experiment, **changes)
