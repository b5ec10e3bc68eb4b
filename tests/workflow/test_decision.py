"""The decision in a real graph: nothing before it depends on test images, and a change trains only what it must."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy
import pandas
import pytest
from PIL import Image

from tests.conftest import ROOT, without_rights
from tests.workflow.conftest import TINY, jobs_of, rules_of, snakemake, snakemakes_log, write_configuration
from tests.workflow.test_rerun import contents
from triptych.data.dataset import load_split
from triptych.evaluation.predict import predict
from triptych.results.decision import decision_digest
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors

pytestmark = pytest.mark.slow

SMALL = {
    "dataset": {"source": "digits", "train_per_class": 20, "validation_per_class": 10, "test_per_class": 10},
    "model": {"architecture": "resnet18", "input_size": 32},
    "training": {"epochs": 2, "batch_size": 8, "num_threads": 1, "device": "cpu"},
    "report": {"images": "none"},
    "seeds": [0, 1],
    "arms": {
        "slow": {"weights": "random", "train": "all"},
        "fast": {"weights": "random", "train": "all", "training": {"learning_rate": 1e-3}},
    },
}
"""Two arms with two seeds, which need no pretrained weights."""

PRETRAINED = {
    "weights": TINY["weights"],
    "seeds": [0],
    "training": SMALL["training"] | {"epochs": 1},
    "arms": {
        "scratch": {"weights": "random", "train": "all"},
        "finetune": {"weights": "pretrained", "train": "all"},
        "head": {"weights": "pretrained", "train": "head", "batchnorm": "frozen"},
    },
}
"""What makes of it an experiment with every kind of arm: pretraining and cached features as well."""

RESULTS = "results/small"
MODEL = {"model.safetensors", "model.json", "README.md", "predict.py", "decode.py"}


def call(folder, *arguments, **changes):
    path = write_configuration(folder, SMALL | changes, "small", keep_weights="model")
    return snakemake(*arguments, "--cores", "2", "--configfile", path, directory=folder)


def made(folder, *arguments, **changes):
    """The jobs of a real call by rule, and those that are trained as (arm, seed)."""
    call(folder, *arguments, **changes)
    output = snakemakes_log(folder)
    trained = [job["wildcards"] for job in jobs_of(output) if job["rule"] == "train"]
    return rules_of(output), sorted(trained)


def weights_in(folder):
    return sorted(str(path.relative_to(folder / RESULTS)) for path in (folder / RESULTS).rglob("trained.safetensors"))


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """A folder in which everything up to the decision is made."""
    folder = tmp_path_factory.mktemp("decided")
    call(folder, f"{RESULTS}/decision.json", "--notemp")
    return folder


@pytest.fixture(scope="module")
def complete(decided, tmp_path_factory):
    """A copy of it in which everything is made."""
    folder = tmp_path_factory.mktemp("complete") / "run"
    shutil.copytree(decided, folder)
    call(folder)
    return folder


@pytest.fixture
def finished(complete, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(complete, folder)
    return folder


def test_no_file_before_the_opening_depends_on_a_test_image(tmp_path):
    """From random and from pretrained weights, and of the last layer alone, which is trained on features."""
    images, noisy = tmp_path / "images", tmp_path / "noise"
    for folder in (images, noisy):
        folder.mkdir()
    call(images, f"{RESULTS}/data/test.safetensors", **PRETRAINED)
    shutil.copytree(images, noisy, dirs_exist_ok=True)
    test = noisy / RESULTS / "data" / "test.safetensors"
    tensors = load_tensors(test)
    noise = numpy.random.default_rng(0).integers(0, 256, tensors["images"].shape, dtype=numpy.uint8)
    save_tensors(test, tensors | {"images": noise}, load_metadata(test))
    for folder in (images, noisy):
        call(folder, f"{RESULTS}/decision.json", "--notemp", **PRETRAINED)
    rules = rules_of(snakemakes_log(noisy))
    assert {"pretrain_weights", "extract_features", "train", "collect_validation", "decide"} <= rules.keys()
    assert "prepare_dataset" not in rules
    with_images, with_noise = (contents(folder / RESULTS) for folder in (images, noisy))
    name = "data/test.safetensors"
    assert with_images.pop(name) != with_noise.pop(name)
    assert with_images == with_noise
    assert sum("trained.safetensors" in name for name in with_noise) == 3
    opened = f"{RESULTS}/runs/head/seed0/test.safetensors"
    for folder in (images, noisy):
        call(folder, opened, "--notemp", **PRETRAINED)
    assert (images / opened).read_bytes() != (noisy / opened).read_bytes()


def test_only_the_chosen_runs_weights_are_left_and_nothing_is_left_to_do(complete):
    assert not weights_in(complete)
    assert {path.name for path in (complete / RESULTS / "model").iterdir()} == MODEL
    assert not rules_of(call(complete, "--dry-run").stdout)


def test_the_model_is_the_chosen_run(decided, complete):
    chosen = json.loads((complete / RESULTS / "decision.json").read_text())["chosen"]
    run = decided / RESULTS / "runs" / chosen["arm"] / f"seed{chosen['seed']}" / "trained.safetensors"
    assert (complete / RESULTS / "model" / "model.safetensors").read_bytes() == run.read_bytes()


def test_one_more_seed_trains_and_opens_one_run_of_each_arm(finished):
    opened = finished / RESULTS / "runs" / "fast" / "seed0" / "opened.json"
    before = opened.read_bytes()
    jobs, trained = made(finished, seeds=[0, 1, 2])
    assert {wildcards.split("run=")[1] for wildcards in trained if "run=seed2" in wildcards} == {"seed2"}
    chosen = json.loads((finished / RESULTS / "decision.json").read_text())["chosen"]
    # a run that is chosen only now, and whose weights are gone, is trained once more
    again = [wildcards for wildcards in trained if "run=seed2" not in wildcards]
    assert len(trained) - len(again) == jobs["open_test"] - len(again) == 2
    assert again in ([], [f"experiment=small, arm={chosen['arm']}, run=seed{chosen['seed']}"])
    assert jobs["decide"] == 1
    if not again:
        assert opened.read_bytes() == before
    assert not rules_of(call(finished, "--dry-run", seeds=[0, 1, 2]).stdout)


def test_decisions_with_other_seeds_are_further_looks(finished):
    """A fourth seed is the second look, to the same bytes if decided again; back is the first one's bytes."""
    decision = finished / RESULTS / "decision.json"
    comparisons = finished / RESULTS / "tables" / "comparisons.csv"
    three, four = [0, 1, 2], [0, 1, 2, 3]
    call(finished, seeds=three)
    first = [path.read_bytes() for path in (decision, comparisons)]
    assert "look" not in json.loads(first[0])
    call(finished, seeds=four)
    second = [path.read_bytes() for path in (decision, comparisons, finished / RESULTS / "report.html")]
    assert json.loads(second[0])["look"] == 2
    assert "This is look 2" in second[2].decode() and "97.5\u00a0%\u00a0CI" in second[2].decode()
    call(finished, "--forcerun", "decide", seeds=four)
    assert [path.read_bytes() for path in (decision, comparisons)] == second[:2]
    call(finished, f"{RESULTS}/report.html", seeds=three)
    assert [path.read_bytes() for path in (decision, comparisons)] == first
    lines = (finished / "logs" / "decisions" / "small.jsonl").read_text().splitlines()
    assert [json.loads(line)["seeds"] for line in lines] == [[0, 1], three, four, four, three]
    assert len({json.loads(line)["images"] for line in lines}) == 1


@pytest.mark.parametrize(
    ("changes", "trained"),
    [
        ({"arms": SMALL["arms"] | {"third": {"weights": "random", "train": "all"}}}, "third third"),
        ({"arms": SMALL["arms"] | {"slow": SMALL["arms"]["slow"] | {"training": {"epochs": 3}}}}, "slow slow"),
    ],
    ids=["one more arm", "another recipe"],
)
def test_a_dry_run_lists_only_the_trainings_that_depend_on_a_change(complete, changes, trained):
    jobs = jobs_of(call(complete, "--dry-run", **changes).stdout)
    arms = [job["wildcards"].split("arm=")[1].split(",")[0] for job in jobs if job["rule"] == "train"]
    assert sorted(arms) == trained.split()


def test_a_partial_report_ranks_what_is_there_and_opens_nothing(finished):
    arms = SMALL["arms"] | {"third": {"weights": "random", "train": "all"}}
    before = {path: path.read_bytes() for path in finished.glob("logs/openings/**/*.jsonl")}
    jobs, trained = made(finished, f"{RESULTS}/partial/report.html", arms=arms)
    assert not trained and not jobs["open_test"] and jobs["decide"] == 1
    partial = finished / RESULTS / "partial"
    ranking = json.loads((partial / "decision.json").read_text())["ranking"]
    assert {entry["arm"] for entry in ranking} == {"slow", "fast"}
    assert "Provisional" in (partial / "report.html").read_text()
    assert not {"test_results.csv", "summary.csv"} & {path.name for path in (partial / "tables").iterdir()}
    assert len(before) == 4 and all(path.read_bytes() == content for path, content in before.items())


def test_a_model_that_was_deleted_costs_one_training(finished):
    before = (finished / RESULTS / "model" / "model.safetensors").read_bytes()
    shutil.rmtree(finished / RESULTS / "model")
    jobs, trained = made(finished)
    chosen = json.loads((finished / RESULTS / "decision.json").read_text())["chosen"]
    assert trained == [f"experiment=small, arm={chosen['arm']}, run=seed{chosen['seed']}"]
    assert jobs["copy_model"] == jobs["write_model"] == 1
    assert (finished / RESULTS / "model" / "model.safetensors").read_bytes() == before


def test_what_is_said_about_the_model_is_written_again_without_a_training(finished):
    path = finished / RESULTS / "model" / "README.md"
    before = path.read_bytes()
    path.unlink()
    jobs, trained = made(finished)
    assert not trained and set(jobs) == {"write_model", "write_manifest"}
    assert path.read_bytes() == before


def test_the_model_predicts_what_the_table_says_of_digits(complete, tmp_path):
    results = complete / RESULTS
    about = json.loads((results / "model" / "model.json").read_text())
    table = pandas.read_csv(results / "tables" / "predictions.csv", dtype=str, keep_default_na=False)
    of_run = (table["arm"] == about["arm"]) & (table["run"] == str(about["seed"])) & (table["split"] == "test")
    images = load_split(results / "data" / "test.safetensors").images
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number:03d}.png")
    predict(results, [tmp_path], csv=tmp_path / "predictions.csv")
    found = pandas.read_csv(tmp_path / "predictions.csv", dtype=str, keep_default_na=False)
    assert len(found) == 100
    columns = ["predicted", "probability"]
    assert found[columns].to_numpy().tolist() == table[of_run][columns].to_numpy().tolist()


def test_a_decision_that_was_changed_by_hand_is_refused(finished):
    path = finished / RESULTS / "decision.json"
    content = json.loads(path.read_text())
    content["chosen"]["seed"] = 1 - content["chosen"]["seed"]
    path.write_text(json.dumps(content))
    assert decision_digest(content) != content["digest"]
    path = write_configuration(finished, SMALL, "small", keep_weights="model")
    output = snakemake("--cores", "2", "--configfile", path, directory=finished, check=False)
    assert output.returncode
    assert "decision.json: the decision was changed by hand; delete it and run again" in output.stdout
    assert "Traceback" not in output.stdout


def test_another_preference_only_decides_anew(complete):
    jobs = rules_of(call(complete, "--dry-run", comparison={"prefer": "cheap"}).stdout)
    assert jobs["decide"] == 1 and not jobs["collect_validation"] and not jobs["train"]


def test_a_model_is_refused_where_no_run_was_chosen(finished):
    path = finished / RESULTS / "decision.json"
    content = json.loads(path.read_text()) | {"chosen": None}
    path.write_text(json.dumps(content | {"digest": decision_digest(content)}))
    shutil.rmtree(finished / RESULTS / "model")
    configuration = write_configuration(finished, SMALL, "small", keep_weights="model")
    output = snakemake(
        *(f"{RESULTS}/model/model.safetensors", "--cores", "1", "--configfile", configuration),
        directory=finished,
        check=False,
    )
    assert output.returncode
    assert "decision.json: no run was chosen, so there is no model." in output.stdout
    assert "Traceback" not in output.stdout


def records(folder):
    """The records of a folder, such as the openings of every run, by the name of the log."""
    return {str(path.relative_to(folder)): path.read_text().splitlines() for path in folder.rglob("*.jsonl")}


def test_another_mode_of_testing_runs_only_what_depends_on_it(finished):
    """There and back: what needs no run is not made again, and each report is about its own mode.

    Weights are kept until the decision, whether test images are opened after it or not.
    """
    kept = {path: path.stat().st_mtime_ns for path in (finished / RESULTS).glob("[dm]*s/**/*") if path.is_file()}
    kept |= {path: path.stat().st_mtime_ns for path in (finished / RESULTS / "data").iterdir()}
    assert len(kept) > 8
    report = finished / RESULTS / "report.html"
    page = report.read_text()
    results = {path: path.read_bytes() for path in (finished / RESULTS / "runs").rglob("test.safetensors")}
    assert len(results) == 4
    opened = records(finished / "logs" / "openings")

    for mode in ("every_epoch", "after_decision"):
        shutil.rmtree(finished / RESULTS / "model")
        jobs, trained = made(finished, test=mode)
        assert jobs["copy_model"] == 1 and not weights_in(finished)
        assert {path.name for path in (finished / RESULTS / "model").iterdir()} == MODEL
        assert len(trained) == jobs["train"] == 4
        assert not jobs["open_test"]  # the weights have the bytes of those that were tested
        assert not set(jobs) & {"prepare_dataset", "describe_model", "compare_architectures", "plot_samples"}
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
        assert not rules_of(call(finished, "--dry-run", test=mode).stdout)
        verify = [sys.executable, "-m", "triptych", "verify", RESULTS]
        done = subprocess.run(verify, cwd=finished, capture_output=True, text=True, check=False, timeout=60)
        # Files of the other mode stay, and are named; all that the manifest lists is as it says.
        assert all(line.startswith("  not in the manifest: ") for line in done.stderr.splitlines()[1:]), done.stderr
        history = pandas.read_csv(finished / RESULTS / "tables" / "history.csv")
        assert ("test_accuracy" in history) == (mode == "every_epoch")
        assert ("Recorded openings of the test images" in report.read_text()) == (mode == "after_decision")
    assert report.read_text() != page  # trainings have opened the test images
    assert {path: path.read_bytes() for path in results} == results
    after = records(finished / "logs" / "openings")
    assert after.keys() - opened.keys() == {name.replace(".jsonl", ".training.jsonl") for name in opened}
    assert all(len(lines) == 1 for lines in after.values())
    assert after.items() >= opened.items()


OPENED = f"{RESULTS}/runs/fast/seed0"
TARGET = f"{OPENED}/test.safetensors"
LOG = "logs/openings/small/fast/seed0.jsonl"


def with_more_test_images(decided, folder):
    """A copy in which an evaluation of the test images takes long enough to be killed."""
    shutil.copytree(decided, folder)
    path = folder / RESULTS / "data" / "test.safetensors"
    many = {name: numpy.tile(tensor, (30,) + (1,) * (tensor.ndim - 1)) for name, tensor in load_tensors(path).items()}
    save_tensors(path, many, load_metadata(path))
    return folder


def test_an_opening_that_is_killed_stays_recorded_and_the_next_gives_the_same_bytes(decided, tmp_path):
    undisturbed, folder = (with_more_test_images(decided, tmp_path / name) for name in ("undisturbed", "killed"))
    call(undisturbed, TARGET, "--notemp")
    path = write_configuration(folder, SMALL, "small", keep_weights="model")
    arguments = [TARGET, "--notemp", "--cores", "1", "--configfile", path]
    driver = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", *arguments]
    with (tmp_path / "printed.txt").open("w") as printed:
        process = subprocess.Popen(driver, cwd=folder, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        until = time.monotonic() + 300
        while not ((folder / LOG).exists() and (folder / LOG).read_bytes().endswith(b"\n")):
            assert process.poll() is None and time.monotonic() < until, (tmp_path / "printed.txt").read_text()
            time.sleep(0.002)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
    assert not [name for name in ("test.safetensors", "opened.json") if (folder / OPENED / name).exists()]
    assert len((folder / LOG).read_text().splitlines()) == 1

    snakemake("--unlock", "--configfile", path, directory=folder)
    snakemake(*arguments, directory=folder)
    lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    assert len(lines) == 2 and len({line["decision"] for line in lines}) == 1
    assert json.loads((folder / OPENED / "opened.json").read_text())["openings"] == 2
    assert (folder / TARGET).read_bytes() == (undisturbed / TARGET).read_bytes()


@pytest.mark.parametrize("there", ["the folder of the arm", "no folder of the experiment"])
def test_openings_that_cannot_be_recorded_do_not_happen(decided, tmp_path, there):
    """One message, before a test image is read."""
    folder = tmp_path / "run"
    shutil.copytree(decided, folder)
    logs = (folder / LOG).parent
    if there == "no folder of the experiment":
        logs = folder / "logs" / "openings"
        shutil.rmtree(logs)  # with the record of the split
    logs.mkdir(parents=True, exist_ok=True)
    path = write_configuration(folder, SMALL, "small", keep_weights="model")
    arguments = [TARGET, "--notemp", "--cores", "1", "--configfile", path, "--directory", folder]
    logs.chmod(0o555)
    try:
        result = subprocess.run(
            [*without_rights(), sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
    finally:
        logs.chmod(0o755)
    said = result.stdout + result.stderr
    assert result.returncode, said
    assert "logs/openings" in said and "Permission denied" in said
    assert "Traceback" not in said
    assert not [name for name in ("test.safetensors", "opened.json") if (folder / OPENED / name).exists()]
    assert not records(folder / "logs" / "openings")
    log = folder / "logs" / "open_test" / "small" / "fast" / "seed0.log"
    assert not log.exists() or "opening" not in log.read_text().replace("logs/openings", "")
    call(folder, TARGET, "--notemp")
    assert len(records(folder / "logs" / "openings")) == 1
