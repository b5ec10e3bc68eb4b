"""The manifest lists every file of the experiment with its checksum, and what its results depend on."""

import hashlib
import json
import platform
from importlib import metadata

import pytest
import yaml

from triptych.report import provenance
from triptych.report.inputs import files_of_runs
from triptych.report.report import report
from triptych.report.write_manifest import write_manifest
from triptych.results.experiment import read_configuration
from triptych.storage.errors import InputError
from triptych.wings import FIGURES, TABLES


@pytest.fixture(scope="module")
def reported(shelf, tmp_path_factory):
    """An experiment with its report."""
    return with_report(shelf(whole_kernels=False), tmp_path_factory.mktemp("reported"))


def with_report(made, folder):
    made = made.copy(folder / "digits")
    (made.folder / "model").mkdir()
    for name in ("model.safetensors", "model.json", "README.md", "predict.py", "decode.py"):
        (made.folder / "model" / name).write_text("of the chosen run")
    report(experiment="digits", experiment_folder=made.folder, output=made.folder / "report.html")
    return made


@pytest.fixture
def folder(reported, tmp_path):
    """The same, for a test to change."""
    return reported.copy(tmp_path / "digits").folder


def manifest_of(folder, keep_weights="trained", trunks="[]"):
    write_manifest(experiment_folder=folder, keep_weights=keep_weights, trunks=trunks, output=folder / "manifest.json")
    return json.loads((folder / "manifest.json").read_text())


def test_every_file_is_listed_with_its_checksum(folder):
    files = manifest_of(folder)["files"]
    assert set(files) == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {
        "manifest.json"
    }
    for name, record in files.items():
        content = (folder / name).read_bytes()
        assert record["sha256"] == hashlib.sha256(content).hexdigest()
        assert record["bytes"] == len(content)


def test_of_an_ensemble_the_members_weights_are_listed(folder):
    configuration = yaml.safe_load((folder / "config.yaml").read_text())
    configuration["experiments"]["digits"]["ensemble"] = True
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))
    seeds = configuration["experiments"]["digits"]["seeds"]
    for seed in (*seeds, 999):
        (folder / "model" / f"model-seed{seed}.safetensors").write_text("of a member, or left from other seeds")
    listed = {name for name in manifest_of(folder)["files"] if name.endswith(".safetensors") and "model/" in name}
    assert listed == {f"model/model-seed{seed}.safetensors" for seed in seeds}


def test_where_test_images_are_evaluated_every_epoch_no_run_opens_them(shelf, tmp_path):
    folder = with_report(shelf(whole_kernels=False, test="every_epoch"), tmp_path).folder
    (folder / "opened.json").write_text("{}")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"figures/test_accuracy.svg", "decision.json", "validation.safetensors", "opened.json"} <= there
    assert set(manifest_of(folder)["files"]) == there
    run = folder / "runs" / "scratch" / "seed0"
    (run / "decided").touch()  # holds the weights until the decision
    for name in ("test.safetensors", "opened.json"):  # left from before the setting was changed
        (run / name).write_text("left")
    assert set(manifest_of(folder)["files"]) == there
    weights = {name for name in there if name.endswith("trained.safetensors")}
    assert set(manifest_of(folder, "model")["files"]) == there - weights | {"runs/scratch/seed0/decided"}


def test_exactly_the_measured_files_are_marked(folder):
    measured = {name for name, record in manifest_of(folder)["files"].items() if record["measured"]}
    runs = {f"runs/{arm}/seed{seed}/cost.json" for arm in ("scratch", "finetune", "last_layer") for seed in (0, 1, 2)}
    figures = {"figures/cost_accuracy.svg", "figures/cost_accuracy.png"}
    opened = {"opened.json", *(run.replace("cost", "opened") for run in runs)}
    assert measured == {"tables/cost.csv", "tables/cost_savings.csv", "report.html", *figures, *runs, *opened}


@pytest.mark.parametrize(
    "stray",
    [
        "notes.txt",
        "figures/.test_loss.abc123.svg",
        "figures/thumbs.db",
        "tables/old/summary.csv",
        "runs/removed_arm/seed0/history.csv",
        "runs/scratch/seed99/history.csv",
        "runs/scratch/seed0/checkpoint.tmp",
        "models/vgg11_32/layers.csv",
        "logs/train.csv",
        "data/raw/images.csv",
        *("data/images.csv", "data/report.html", "data/listing.json"),  # of images that are files
        *(f"figures/architectures.{suffix}" for suffix in ("svg", "png")),  # there is nothing to compare with
        *(f"figures/{figure.name}_removed_arm.svg" for figure in FIGURES.values() if figure.of_each_arm),
        *(table.file for table in TABLES.values() if table.of_claims),  # no claims are tested
        "figures/learning_rate.svg",
        "figures/samples_scratch.svg",
        "weights/vgg11.safetensors",
        "weights/vgg11_history.csv",
        "weights/letters/vgg11.safetensors",
        "weights/letters/index.csv",
        "weights/letters/test.safetensors",
        "figures/test_accuracy.svg",  # the curves are of validation images
        "model/notes.txt",
        "partial/decision.json",
    ],
)
def test_a_stray_file_changes_nothing(folder, stray):
    before, configuration = manifest_of(folder), read_configuration(folder / "config.yaml")
    shown = files_of_runs(folder, configuration)
    path = folder / stray
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("stray")
    assert manifest_of(folder) == before
    assert files_of_runs(folder, configuration) == shown


@pytest.mark.parametrize(
    ("source", "weights", "expected"),
    [
        ("letters", "pretrained", {"resnet18.safetensors", "resnet18_history.csv", "letters/train.safetensors"}),
        ("file", "pretrained", {"resnet18.safetensors", "resnet18_history.csv"}),
        ("letters", "random", set()),
        ("none", "random", set()),
    ],
)
def test_weights_are_those_that_the_arms_use(folder, source, weights, expected):
    (folder / "weights" / "letters").mkdir()
    (folder / "weights" / "letters" / "train.safetensors").write_text("letters")
    content = yaml.safe_load((folder / "config.yaml").read_text())
    (configuration,) = content["experiments"].values()
    configuration["weights"] = {"source": source}
    for arm in configuration["arms"].values():
        arm["weights"] = weights
    (folder / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    files = manifest_of(folder)["files"]
    assert ("figures/letters.svg" in files) == ("letters/train.safetensors" in expected)
    listed = {name for name in files if name.startswith("weights/")}
    assert listed == {f"weights/{name}" for name in expected}
    shown = {name for name in files_of_runs(folder, configuration) if name.startswith("weights/")}
    assert shown == listed & {"weights/resnet18.safetensors"}


def test_features_are_those_that_the_arms_train_on(folder):
    names = ("toy/tiny_16_01234567", "resnet18_32_89abcdef")
    for name in names:
        (folder / "features" / name).mkdir(parents=True)
        (folder / "features" / name / "cost.json").write_text("{}")
    for trunks in ([], names[:1], names):
        listed = {name for name in manifest_of(folder, trunks=json.dumps(trunks))["files"] if "features" in name}
        assert listed == {f"features/{name}/cost.json" for name in trunks}
    with pytest.raises(InputError, match="trunks: expected a JSON list of names, found 'tiny'"):
        manifest_of(folder, trunks="tiny")


def test_weight_files_that_are_not_kept_are_not_listed(folder):
    (folder / "runs" / "scratch" / "seed0" / "kernels.safetensors").write_text("kernels")
    everything = manifest_of(folder)["files"]
    (folder / "runs" / "scratch" / "seed0" / "initial.safetensors").write_text("of another setting")
    assert manifest_of(folder)["files"].keys() == everything.keys()
    initial = "runs/scratch/seed0/initial.safetensors"
    assert manifest_of(folder, "all")["files"].keys() == everything.keys() | {initial}
    files = manifest_of(folder, "model")["files"]
    assert files == {name: record for name, record in everything.items() if not name.endswith("/trained.safetensors")}
    assert len(everything) - len(files) == 9


def test_a_word_that_keep_weights_does_not_know(folder):
    with pytest.raises(InputError, match="keep_weights: expected one of model, trained, all, found 'some'"):
        manifest_of(folder, "some")


def test_what_the_results_depend_on_is_said(folder):
    manifest = manifest_of(folder)
    depends = manifest["depends_on"]
    assert set(depends) == {
        "configuration",
        "data",
        "weights",
        "code",
        "packages",
        "torch",
        "python",
        "machine",
        "threads",
        "device",
        "device_name",
    }
    assert depends["torch"] == ["2.15.0"]
    assert depends["device_name"] == ["A Processor"]
    assert depends["code"] == provenance.package_digest()
    assert depends["packages"].keys() == provenance.DECIDING_PACKAGES
    assert depends["configuration"] == manifest["files"]["config.yaml"]["sha256"]
    assert set(depends["data"]) == {"data/train.safetensors", "data/validation.safetensors", "data/test.safetensors"}
    assert set(depends["weights"]) == {"weights/resnet18.safetensors"}
    assert depends["threads"] == {"scratch": 2, "finetune": 2, "last_layer": 2}
    assert depends["device"] == ["cpu"]
    assert manifest["devices"] == [{"device": "cpu", "device_name": "A Processor"}]
    assert manifest["configuration"]["arms"]["finetune"]["training"]["learning_rate"] == 1e-4


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", "[" * 100_000])
def test_a_run_that_does_not_say_its_torch_is_named(folder, content):
    (folder / "runs" / "finetune" / "seed1" / "cost.json").write_text(content)
    with pytest.raises(InputError, match=r"finetune/seed1/cost\.json: expected JSON with the version of torch"):
        manifest_of(folder)


def test_versions_are_those_that_are_installed(folder):
    manifest = manifest_of(folder)
    assert manifest["packages"]["pandas"] == metadata.version("pandas")
    assert set(manifest["packages"]) == set(provenance.PACKAGES)
    assert platform.python_version() in manifest["machine"]["python"]


def test_the_same_folder_gives_the_same_bytes_elsewhere(folder, tmp_path):
    manifest_of(folder)
    moved = folder.rename(tmp_path / "elsewhere")
    before = (moved / "manifest.json").read_bytes()
    manifest_of(moved)
    assert (moved / "manifest.json").read_bytes() == before


def test_the_digest_of_the_code_follows_its_files(tmp_path, monkeypatch):
    package = tmp_path / "package"
    (package / "report").mkdir(parents=True)
    (package / "module.py").write_text("a = 1\n")
    (package / "report" / "page.jinja").write_text("page")
    monkeypatch.setattr(provenance, "PACKAGE_FOLDER", package)
    before = provenance.package_digest()
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "module.pyc").write_bytes(b"compiled")
    assert provenance.package_digest() == before
    (package / "report" / "page.jinja").write_text("another page")
    assert provenance.package_digest() != before


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("pandas", "surely-not-installed"))
    assert provenance.package_versions() == {"pandas": metadata.version("pandas"), "surely-not-installed": None}


@pytest.mark.parametrize("content", ["- a list", "experiments: {}", "experiments: {a: {}, b: {}}", "a: [", None])
def test_a_configuration_that_cannot_be_read_is_named(folder, content):
    path = folder / "config.yaml"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"config\.yaml"):
        manifest_of(folder)
    assert not (folder / "manifest.json").exists()
