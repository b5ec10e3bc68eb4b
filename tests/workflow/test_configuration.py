"""The configuration of a run: the default, a file instead of it, single keys, and what is refused."""

import json
import re

import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.conftest import TINY, jobs_of, rules_of, snakemake
from triptych.configuration.loading import load_configuration
from triptych.storage.errors import InputError


def arms_and_runs(result) -> set[tuple[str, str, str]]:
    """Experiment, arm and run of every training that a dry run lists."""
    wildcards = [job["wildcards"] for job in jobs_of(result.stdout) if job["rule"] == "train"]
    return {tuple(part.partition("=")[2] for part in text.split(", ")) for text in wildcards}


def product(experiment, arms, seeds):
    return {(experiment, arm, f"seed{seed}") for arm in arms for seed in seeds}


DEFAULT = product("digits", ("scratch", "finetune", "last_layer"), (0, 1, 2))
ONE_ARM = {**TINY, "arms": {"only": {"weights": "random", "train": "all"}}, "seeds": [5]}


@pytest.fixture
def one_arm(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(yaml.safe_dump({"experiments": {"mine": ONE_ARM}}))
    return path


def test_without_a_file_it_is_the_default_experiment(tmp_path):
    assert arms_and_runs(snakemake("--dry-run", directory=tmp_path)) == DEFAULT


def test_cifar100_is_read_from_the_pinned_archive(tmp_path):
    path = tmp_path / "cifar100.yaml"
    dataset = {"source": "cifar100", "train_per_class": 10, "validation_per_class": 10}
    path.write_text(yaml.safe_dump({"experiments": {"mine": {**TINY, "dataset": dataset}}}))
    jobs = {
        job["rule"]: job for job in jobs_of(snakemake("--dry-run", "--configfile", path, directory=tmp_path).stdout)
    }
    archive = "resources/datasets/cifar100-58a81ae192c23a4b.tar.gz"
    assert jobs["download_dataset"]["output"].startswith(archive)
    assert archive in jobs["prepare_dataset"]["input"]


def test_the_default_profile_is_not_needed(tmp_path, one_arm):
    options = ["--dry-run", "--workflow-profile", "none"]
    assert arms_and_runs(snakemake(*options, directory=tmp_path)) == DEFAULT
    assert arms_and_runs(snakemake(*options, "--configfile", one_arm, directory=tmp_path)) == {
        ("mine", "only", "seed5")
    }


def test_ones_own_file_replaces_the_default(tmp_path, one_arm):
    result = snakemake("--dry-run", "--configfile", one_arm, directory=tmp_path)
    assert arms_and_runs(result) == {("mine", "only", "seed5")}
    assert "prepare_letters" not in rules_of(result.stdout)  # its one arm needs no pretrained weights


def test_the_same_name_does_not_let_the_defaults_arms_in(tmp_path):
    path = tmp_path / "digits.yaml"
    path.write_text(yaml.safe_dump({"experiments": {"digits": ONE_ARM}}))
    result = snakemake("--dry-run", "--configfile", path, directory=tmp_path)
    assert arms_and_runs(result) == {("digits", "only", "seed5")}


def test_several_files_give_several_experiments(tmp_path, tiny, one_arm):
    result = snakemake("--dry-run", "--configfile", tiny, one_arm, ROOT / "config/config.yaml", directory=tmp_path)
    assert arms_and_runs(result) == DEFAULT | {("mine", "only", "seed5")} | product("tiny", TINY["arms"], (0, 1))


def test_single_keys_are_changed_by_config(tmp_path, one_arm):
    change = "experiments={digits: {seeds: [7], training: {learning_rate: 1e-3}}}"
    result = snakemake("--dry-run", "--printshellcmds", "--config", change, directory=tmp_path)
    assert arms_and_runs(result) == product("digits", ("scratch", "finetune", "last_layer"), (7,))
    recipes = [line for line in result.stdout.splitlines() if line.lstrip().startswith("--recipe ")]
    rates = [line for line in recipes if "learning_rate" in line]  # a test image is evaluated without one
    found = sorted(float(re.search(r'"learning_rate": ([0-9.e-]+)', line)[1]) for line in rates)
    assert found == [0.001] * 3 + [0.003]  # three trainings; the pretraining has its own
    change = "experiments={mine: {training: {epochs: 3}}}"
    result = snakemake("--dry-run", "--printshellcmds", "--configfile", one_arm, "--config", change, directory=tmp_path)
    assert arms_and_runs(result) == {("mine", "only", "seed5")}
    assert '"epochs": 3,' in result.stdout


def files_in(folder) -> list[str]:
    """Every file below a folder, but for Snakemake's log of the call itself."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(file for file in files if not file.startswith(".snakemake/log/"))


def test_pathvars_choose_other_folders(tmp_path, one_arm):
    folders = {name: str(tmp_path / "large disk" / name) for name in ("results", "resources", "logs")}
    one_arm.write_text(yaml.safe_dump({"experiments": {"mine": ONE_ARM}, "pathvars": folders}))
    run = tmp_path / "run"
    run.mkdir()
    target = f"{folders['results']}/mine/data/sizes.csv"
    snakemake(target, "--cores", "1", "--configfile", one_arm, directory=run)
    assert (tmp_path / "large disk/results/mine/data/sizes.csv").is_file()
    assert (tmp_path / "large disk/logs/prepare_dataset/mine.log").is_file()
    assert {file.split("/")[0] for file in files_in(run)} <= {".snakemake"}
    planned = jobs_of(snakemake("--dry-run", "--configfile", one_arm, directory=run).stdout)
    outputs = [file for job in planned for file in job.get("output", "").split(", ") if file]
    assert len(outputs) > 20
    assert all(file.startswith(folders["results"]) for file in outputs)


MODULE = """
configfile: "outer.yaml"

module triptych:
    snakefile: {snakefile!r}
    config: config["triptych"]
    prefix: "inner"

use rule * from triptych as triptych_*

rule everything:
    default_target: True
    input: rules.triptych_all.input
"""


def test_as_a_module_with_a_configuration_and_a_prefix_of_its_own(tmp_path):
    (tmp_path / "Snakefile").write_text(MODULE.format(snakefile=str(ROOT / "Snakefile")))
    (tmp_path / "outer.yaml").write_text(yaml.safe_dump({"triptych": {"experiments": {"mine": ONE_ARM}}}))
    result = snakemake("--dry-run", "--printshellcmds", directory=tmp_path, checkout=tmp_path)
    trainings = [job for job in jobs_of(result.stdout) if job["rule"] == "triptych_train"]
    assert [job["wildcards"] for job in trainings] == ["experiment=mine, arm=only, run=seed5"]
    assert "inner/results/mine/runs/only/seed5/trained.safetensors" in trainings[0]["output"]
    assert "--trained inner/results/mine/runs/only/seed5/trained.safetensors" in result.stdout
    assert "--experiment-folder inner/results/mine" in result.stdout
    snakemake("inner/results/mine/config.yaml", "--cores", "1", directory=tmp_path, checkout=tmp_path)
    written = yaml.safe_load((tmp_path / "inner/results/mine/config.yaml").read_text())
    assert list(written["experiments"]) == ["mine"]


@pytest.mark.slow
def test_a_cluster_job_has_the_configuration_of_its_driver(tmp_path, one_arm):
    """A job on a node parses the Snakefile again, with the arguments that the driver hands on."""
    submit = "sh -c 'nohup \"$0\" > /dev/null 2>&1 & echo $!'"
    change = "experiments={mine: {question: What is it, seeds: [3, 4]}}"
    snakemake(
        "results/mine/config.yaml",
        *["--configfile", one_arm, "--config", change, "--jobs", "1", "--executor", "cluster-generic"],
        *["--cluster-generic-submit-cmd", submit],
        directory=tmp_path,
        timeout=120,
    )
    written = yaml.safe_load((tmp_path / "results/mine/config.yaml").read_text())["experiments"]
    assert list(written) == ["mine"]
    assert list(written["mine"]["arms"]) == ["only"]
    assert written["mine"]["seeds"] == [3, 4]
    assert written["mine"]["question"] == "What is it"


def changed(**changes):
    return {"experiments": {"bad": {**TINY, **changes}}}


BAD = [
    (changed(training={"batch_size": 0}), ["bad", "training.batch_size", "0", "at least 1|from 1"]),
    (changed(arms={"../evil": TINY["arms"]["scratch"]}), ["bad", "../evil"]),
    ({"experiments": ["x"]}, ["experiments"]),
    ({"experiment": {"x": TINY}}, ["experiment", "experiments"]),
]
"""A value, a name, another kind of content and an unknown key, with words of the messages."""
ALSO_BAD = [
    (changed(training={"learning_rate": -1}), ["bad", "training.learning_rate", "-1"]),
    (changed(training={"epochs": True}), ["bad", "training.epochs"]),
    (changed(training={"epoch": 3}), ["bad", "epoch", "epochs"]),
    (changed(seeds=[]), ["bad", "seeds"]),
    (changed(seeds=[1, 1]), ["bad", "seeds", "1"]),
    (changed(arms={}), ["bad", "arms"]),
    (changed(model={"architecture": "resnet81"}), ["bad", "model.architecture", "resnet81", "resnet18"]),
    (changed(dataset={"source": "digit"}), ["bad", "dataset", "digit", "digits"]),
    (changed(weights={"source": "none"}), ["bad", "finetune", "pretrained"]),
    ({"experiments": {"a/b": TINY}}, ["a/b"]),
    ({"experiments": {}}, ["experiments"]),
]
"""What is refused at the same place of the same code."""


def assert_said(message, words):
    for word in words:
        assert any(choice in message for choice in word.split("|")), (word, message)


@pytest.mark.parametrize(("configuration", "words"), BAD)
def test_bad_input_is_one_message_and_writes_nothing(tmp_path, configuration, words):
    path = tmp_path / "bad.yaml"
    path.write_text(json.dumps(configuration))
    result = snakemake("--cores", "1", "--configfile", path, directory=tmp_path, check=False)
    assert result.returncode != 0
    assert "configuration: " in result.stdout
    assert "Traceback" not in result.stdout
    assert_said(result.stdout.partition("configuration: ")[2], words)
    assert files_in(tmp_path) == ["bad.yaml"]


@pytest.mark.parametrize(("configuration", "words"), BAD + ALSO_BAD)
def test_the_message_says_what_is_wrong(configuration, words):
    """What a workflow prints behind `configuration: `."""
    with pytest.raises(InputError) as error:
        load_configuration(configuration)
    assert_said(str(error.value), words)


@pytest.mark.parametrize("content", ["- a list", "just text", "a: [unclosed", ""])
def test_a_file_that_is_no_mapping_is_refused_and_nothing_is_written(tmp_path, content):
    """Some of these Snakemake refuses itself, before any code of ours runs; its message is kept."""
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    result = snakemake("--cores", "1", "--configfile", path, directory=tmp_path, check=False)
    assert result.returncode != 0
    assert result.stdout.strip()
    assert files_in(tmp_path) == ["bad.yaml"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "experiments:\n  mine: {seeds: [1]}\n  mine: {seeds: [2]}\n",
            ", line 3: experiments.mine is given in line 2, too",
        ),
        ("experiments: {mine: {}}\npathvars: {result: x}\n", "pathvars.result: there is no such key"),
    ],
)
def test_what_snakemake_lets_pass_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    result = snakemake("--dry-run", "--configfile", path, directory=tmp_path, check=False)
    assert result.returncode != 0
    assert message in result.stdout and "Traceback" not in result.stdout
    assert files_in(tmp_path) == ["bad.yaml"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("experiments:\n\tmine: {}\n", ", line 2: a tab is not allowed here; write spaces."),
        ("experiments: {mine: {}".encode("utf-16"), ": this is no UTF-8 text (UTF-16, perhaps); save it as UTF-8."),
    ],
)
def test_a_slip_in_the_default_configuration_is_explained(tmp_path, checkout, content, message):
    """Of files given with --configfile Snakemake reads the text before any code of ours runs."""
    path = checkout / "config" / "config.yaml"
    shipped = path.read_bytes()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = snakemake("--dry-run", directory=tmp_path, checkout=checkout, check=False)
    path.write_bytes(shipped)
    assert result.returncode == 1
    assert f"configuration: {path}{message}\n" in result.stdout
    assert "Traceback" not in result.stdout
    assert not files_in(tmp_path)


def test_a_missing_file_is_refused(tmp_path):
    result = snakemake("--cores", "1", "--configfile", "missing.yaml", directory=tmp_path, check=False)
    assert result.returncode != 0
    assert "missing.yaml" in result.stdout
    assert not files_in(tmp_path)


@pytest.mark.slow
def test_names_that_a_shell_would_execute_reach_no_shell(tmp_path, one_arm):
    question = "$(touch evil) `touch evil`; touch evil"
    change = "experiments={mine: {question: " + json.dumps(question) + "}}"
    snakemake(
        "results/mine/config.yaml",
        *["--cores", "1", "--configfile", one_arm, "--config", change],
        directory=tmp_path,
    )
    written = yaml.safe_load((tmp_path / "results/mine/config.yaml").read_text())
    assert written["experiments"]["mine"]["question"] == question
    assert not list(tmp_path.rglob("evil"))


def test_images_replace_the_default_experiment(tmp_path, tiny):
    (tmp_path / "photos").mkdir()
    result = snakemake("--dry-run", "--config", "images=photos", directory=tmp_path)
    assert arms_and_runs(result) == product("photos", ("scratch", "finetune", "last_layer"), (0, 1, 2))
    number = snakemake("--dry-run", "--config", "images=2024", directory=tmp_path, check=False)
    assert (
        "configuration: images: 2024 is not allowed; it is read as a number; for a name write ./2024." in number.stdout
    )
    both = snakemake("--dry-run", "--configfile", tiny, "--config", "images=photos", directory=tmp_path, check=False)
    assert "images: photos cannot be given together with experiments;" in both.stdout
