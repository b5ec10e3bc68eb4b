"""What rules ask of the configuration, without Snakemake."""

import json
import re
from types import SimpleNamespace

import pytest

from triptych.configuration.effective import effective
from triptych.configuration.loading import load_configuration
from triptych.workflow.graph import Graph, filled
from triptych.workflow.options import one_of, option, options
from triptych.workflow.resources import double_on_retry, gpu_slots, of_decoders

EXPERIMENT = {
    "weights": {"source": "letters"},
    "seeds": [3, 1],
    "arms": {
        "scratch": {"weights": "random", "model": {"architecture": "resnet34"}},
        "probe": {"weights": "pretrained", "train": "head", "batchnorm": "frozen"},
        "control": {"weights": "pretrained", "role": "control"},
    },
}


def graph(finished=(), **keys):
    """The graph of one experiment of which these runs (arm, name) are finished."""
    settings = effective(load_configuration({"experiments": {"e": EXPERIMENT | keys}}))
    return Graph(settings, lambda experiment, arm, run: (arm, run) in finished)


def job(**wildcards):
    return SimpleNamespace(experiment="e", **wildcards)


def test_an_ensemble_has_all_runs_of_an_arm():
    assert graph().with_ensemble == [] and graph(ensemble=True).with_ensemble == ["e"]
    assert graph(ensemble=True).members("e") == ["seed3", "seed1"]


def test_settings_are_those_in_effect():
    assert graph().experiment_setting("weights/epochs")(job()) == 2
    assert graph().arm_setting("model/architecture")(job(arm="scratch")) == "resnet34"
    assert graph().arm_setting("model/architecture")(job(arm="probe")) == "resnet18"


def test_the_arm_of_a_trunk_is_one_that_trains_on_it():
    file = graph().features_of_arm("cost.json")(job(arm="probe"))
    trunk = re.fullmatch(r"<results>/\{experiment\}/features/(resnet18_224_\w+)/cost\.json", file)[1]
    assert graph().arm_of(job(trunk=trunk))["batchnorm"] == "frozen"
    assert graph().features_of_arm("cost.json")(job(arm="control")) == []


def test_files_of_runs_and_models():
    assert graph().of_runs(["{arm}/{run}/a", "{arm}/{run}/b"])(job(part=""))[:4] == [
        *("scratch/seed3/a", "scratch/seed1/a"),
        *("scratch/seed3/b", "scratch/seed1/b"),
    ]
    assert graph().of_models("{architecture}_{input_size}")(job(part="")) == ["resnet34_224", "resnet18_224"]
    assert graph().first_runs(job(part="")) == dict.fromkeys(("scratch", "probe", "control"), "seed3")


def test_pretrained_weights_and_their_histories():
    weights = "<results>/{experiment}/weights/resnet18"
    assert graph().pretrained_weights(job(arm="probe")) == f"{weights}.safetensors"
    assert graph().pretrained_weights(job(arm="scratch")) == []
    assert graph().pretrained_of_experiment(job(part="")) == [f"{weights}.safetensors", f"{weights}_history.csv"]


def test_only_image_files_are_checked():
    files, arrays = graph(dataset={"source": "folder", "path": "photos"}, arms={"scratch": {}}), graph()
    assert files.with_image_files == ["e"] and arrays.with_image_files == []
    assert files.of_check("images.csv")(job()) == "<results>/{experiment}/data/images.csv"
    assert arrays.of_check("images.csv")(job()) == []
    path = files.experiment_setting("dataset/path")
    assert files.of_image_files(path)(job()) == "photos"
    assert arrays.of_image_files(path)(job()) is None


def test_a_partial_report_is_of_the_finished_runs():
    partial = graph(finished=[("probe", "seed1"), ("control", "seed3")])
    assert partial.seeds_of_runs(job(part="partial/")) == {"probe": [1], "control": [3]}
    assert partial.seeds_of_runs(job(part="")) == {arm: [3, 1] for arm in EXPERIMENT["arms"]}
    assert partial.of_models("{architecture}")(job(part="partial/")) == ["resnet18"]
    missing = partial.missing_option(job(part="partial/"))
    assert json.loads(missing.removeprefix("--missing ").strip("'")) == {
        "scratch": [3, 1],
        "probe": [3],
        "control": [1],
    }
    assert partial.missing_option(job(part="")) == ""


def test_what_is_finished_is_asked_once():
    """Runs that end while Snakemake plans belong to the next call."""
    runs = [("probe", "seed1")]
    partial = graph(finished=runs)
    partial.seeds_of_runs(job(part="partial/"))
    runs.append(("probe", "seed3"))
    assert partial.seeds_of_runs(job(part="partial/")) == {"probe": [1]}


def test_without_a_run_there_is_no_partial_report():
    with pytest.raises(SystemExit, match="e: no finished run"):
        graph(finished=[("control", "seed1")]).seeds_of_runs(job(part="partial/"))


def test_wildcards_are_what_some_experiment_has():
    constraints = graph().constraints
    assert constraints["run"] == "seed(1|3)"
    assert constraints["file"] == "(?!)"
    assert re.fullmatch(constraints["architecture"], "resnet34")
    assert not re.fullmatch(constraints["arm"], "scratch2")


def test_only_experiments_with_these_weights_are_matched():
    assert graph().with_weights_from("letters") == "e"
    assert not re.fullmatch(graph().with_weights_from("torchvision"), "e")


def test_patterns_are_filled_in_order_and_other_wildcards_stay():
    assert filled("{a}{b}{c}", a=[1, 2], b=["x"]) == ["1x{c}", "2x{c}"]
    assert filled(["{a}", "-{a}"], a=[1, 2]) == ["1", "2", "-1", "-2"]


def test_options_for_a_shell():
    assert option("--path", "a b") == "--path 'a b'"
    assert option("--path", None) == option("--path", "") == ""
    assert options(first_one=1, second="b c").split() == ["--first-one", "1", "\\", "--second", "'b", "c'"]
    assert one_of([]) == "(?!)"
    assert one_of(["b", "a.b", "b"]) == r"a\.b|b"


def test_resources():
    assert [gpu_slots(lambda job, device=device: device)(job()) for device in ("auto", "cuda", "cpu")] == [1, 1, 0]
    assert [double_on_retry(400)(job(), attempt) for attempt in (1, 2, 3)] == [400, 800, 800]
    assert [of_decoders(100, 10)(job(), threads, 2) for threads in (1, 4)] == [220, 280]
