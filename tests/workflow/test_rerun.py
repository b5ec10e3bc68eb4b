"""Only what depends on a change runs again: a finished tree, a change, and what a dry run then lists."""

import json
import shutil
import subprocess

import pytest

from tests.conftest import ROOT, command
from tests.workflow.conftest import COMMENTS, WHOLE, jobs_of, rules_of, snakemake, tiers, write_configuration
from tests.workflow.test_rerun_modules import BUILD_NETWORKS, with_followers
from triptych.configuration.backbones.registry import facts_file
from triptych.report.write_manifest import MEASURED

slow = pytest.mark.slow

ARMS = WHOLE["arms"]
TRAINING = WHOLE["training"]


def dry_run(folder, checkout) -> str:
    return snakemake("--dry-run", "--configfile", "tiny.yaml", directory=folder, checkout=checkout).stdout


@slow
def test_a_finished_tree_has_nothing_to_do(finished, checkout):
    assert not rules_of(dry_run(finished, checkout))


@pytest.mark.parametrize(
    ("module", "first", "counts"),
    tiers(
        slow=[
            ("figures/plot_kernels.py", "plot_kernels plot_notebook_kernels", {"plot_kernels": 4}),
            ("report/report.css", "report", {}),
            ("training/loop.py", "pretrain_weights", {"train": 8}),
            # a wing, which the claims of the experiment name
            ("lecture45/schema.py", "report write_manifest", {}),
            # what the settings name, and no other
            ("data/sources/digits.py", "prepare_dataset", {"train": 8}),
            ("data/sources/cifar10.py", "", {}),
            ("models/backbones/torchvision.py", BUILD_NETWORKS, {"train": 8}),
        ],
        long=[  # last run: 2026-11-28, passed
            ("analysis/comparisons.py", "collect_validation", {}),
            ("training/train.py", "train", {"train": 8}),
            ("lecture45/claims.py", "check_claims compare_full_run", {}),
            ("data/cifar.py", "", {}),
        ],
    ),
)
def test_a_changed_module_runs_what_uses_it_and_what_follows(finished, checkout, module, first, counts):
    path = checkout / "workflow" / "triptych" / module
    before = path.read_text()
    try:
        path.write_text(before + COMMENTS[path.suffix])
        rules = rules_of(dry_run(finished, checkout))
    finally:
        path.write_text(before)
    assert set(rules) == with_followers(first)
    assert {rule: rules[rule] for rule in counts} == counts


@slow
def test_an_address_of_weights_runs_nothing(finished, checkout):
    path = facts_file("torchvision")
    path = checkout / path.relative_to(ROOT)
    before = path.read_text()
    try:
        path.write_text(before.replace("https://download.pytorch.org/", "https://elsewhere.org/"))
        assert path.read_text() != before
        assert not rules_of(dry_run(finished, checkout))
    finally:
        path.write_text(before)


def runs_of(arms, seeds="01"):
    return {(arm, seed) for arm in arms for seed in seeds}


def changed_arm(name, **changes):
    return {"arms": {**ARMS, name: {**ARMS[name], **changes}}}


@pytest.mark.parametrize(
    ("change", "first", "trained"),
    tiers(
        slow=[
            (changed_arm("finetune", training={"learning_rate": 1e-3}), "train", runs_of(["finetune"])),
            ({"seeds": [0, 1, 2]}, "train", runs_of(ARMS, "2")),
            (
                {"arms": {name: arm for name, arm in ARMS.items() if name != "frozen"}},
                "compare_architectures collect_validation",
                set(),
            ),
            ({"comparison": {"equivalence_margin": 2.0}}, "collect_validation", set()),
            ({"question": "Another one?"}, "report", set()),
            # does not affect results
            ({"training": {**TRAINING, "checkpoint_minutes": 5}}, "report", set()),
            ({"training": {**TRAINING, "epochs": 2}}, "train", runs_of(ARMS)),
            (
                {"arms": {**ARMS, "other": {**ARMS["frozen"], "model": {"normalisation": "imagenet"}}}},
                "compare_architectures extract_features",
                runs_of(["other"]),
            ),
            ({"dataset": {**WHOLE["dataset"], "test_per_class": 12}}, "prepare_dataset", runs_of(ARMS)),
            (
                {"weights": {**WHOLE["weights"], "seed": 5}},
                "prepare_letters plot_letters",
                runs_of(set(ARMS) - {"scratch"}),
            ),
        ],
        long=[  # last run: 2026-11-28, passed
            # its features are those of the arm `frozen`
            (changed_arm("last_layer", batchnorm="frozen"), "train", runs_of(["last_layer"])),
            ({"reference_models": [{"architecture": "resnet50", "input_size": 32}]}, "compare_architectures", set()),
            ({"report": {"images": "none"}}, "plot_confusion report", set()),
            (changed_arm("finetune", label="other"), "collect_validation", set()),
            ({"seeds": [0]}, "collect_validation", set()),
        ],
    ),
    ids=[
        *("learning rate", "seed added", "arm removed", "margin", "question", "checkpoints", "epochs", "arm added"),
        *("dataset", "weights", "batchnorm", "reference", "images", "label", "seed removed"),
    ],
)
def test_a_changed_value_runs_what_uses_it_and_what_follows(finished, checkout, change, first, trained):
    try:
        write_configuration(finished, {**WHOLE, **change})
        result = dry_run(finished, checkout)
    finally:
        write_configuration(finished, WHOLE)
    assert set(rules_of(result)) == with_followers(f"write_configuration {first}")
    jobs = [
        dict(part.split("=") for part in job["wildcards"].split(", "))
        for job in jobs_of(result)
        if job["rule"] == "train"
    ]
    assert {(job["arm"], job["run"].removeprefix("seed")) for job in jobs} == trained


@pytest.mark.parametrize(
    ("file", "first"),
    tiers(
        slow=[
            ("data/test.safetensors", "extract_features train"),  # every epoch
            ("weights/resnet18.safetensors", "extract_features train extract_weight_delta"),
            ("runs/finetune/seed1/predictions.safetensors", "collect_validation"),
            ("tables/summary.csv", "plot_cost check_claims report"),
        ],
        long=[  # last run: 2026-11-28, passed
            ("data/train.safetensors", "describe_model extract_features train time_backward plot_samples"),
            ("data/index.csv", "plot_samples plot_confusion collect_predictions collect_validation"),
            ("weights/letters/validation.safetensors", "pretrain_weights"),
        ],
    ),
)
def test_a_changed_file_runs_what_reads_it_and_what_follows(finished, checkout, file, first):
    path = finished / "results" / "tiny" / file
    before = path.read_bytes()
    try:
        path.write_bytes(before + b"changed")
        rules = rules_of(dry_run(finished, checkout))
    finally:
        path.write_bytes(before)
    assert set(rules) == with_followers(first)


@slow
def test_a_touched_file_with_the_same_content_runs_nothing(finished, checkout):
    (finished / "results/tiny/data/train.safetensors").touch()
    (finished / "results/tiny/weights/resnet18.safetensors").touch()
    assert not rules_of(dry_run(finished, checkout))


@slow
def test_another_folder_home_locale_time_zone_and_number_of_cores_give_the_same_bytes(whole, tmp_path):
    """Every command begins cold, as a user's: `whole` is made by processes that begin warm."""
    folder, home = tmp_path / "another folder", tmp_path / "home"
    for own_settings in (folder / "matplotlibrc", home / ".config" / "matplotlib" / "matplotlibrc"):
        own_settings.parent.mkdir(parents=True)
        own_settings.write_text(
            "lines.linewidth: 9\nfont.family: serif\nsavefig.dpi: 20\naxes.formatter.use_locale: True\n"
        )
    elsewhere = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": "",
        "XDG_CACHE_HOME": str(home / "cache"),
        "MPLCONFIGDIR": "",
        "LC_ALL": "C",
        "LANGUAGE": "tr",
        "PYTHONIOENCODING": "ascii",
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Kolkata",
        "OMP_NUM_THREADS": "1",
    }
    write_configuration(folder, WHOLE)
    options = {"directory": folder, "environment": elsewhere, "cold": True}
    snakemake("--cores", "1", "--configfile", "tiny.yaml", **options)
    check_same_bytes(folder / "results" / "tiny", whole / "results" / "tiny")


def contents(folder) -> dict[str, bytes]:
    """Every file of an experiment by its path, but for the measured ones and the manifest, which lists them."""
    return {name: path.read_bytes() for name, path in files_of(folder) if not MEASURED.fullmatch(name)}


def files_of(folder):
    """The place of every file of an experiment but its manifest, and its path."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.json"]
    return [(path.relative_to(folder).as_posix(), path) for path in paths]


def check_same_bytes(folder, other):
    """Two folders of one experiment differ in what is measured alone, and its report and manifest in that they show it:
    made again with the measured files of the other folder, they are the other's."""
    assert contents(folder) == contents(other)
    for name, path in files_of(other):
        if MEASURED.fullmatch(name) and name != "report.html":
            assert (folder / name).is_file()
            shutil.copyfile(path, folder / name)
    pages = folder / "report.html", folder / "manifest.json"
    report = command("report", experiment=folder.name, experiment_folder=folder, output=pages[0])
    trunks = json.dumps([path.name for path in (folder / "features").glob("*")])
    keep_weights = "trained" if any(folder.glob("runs/*/*/trained.safetensors")) else "model"
    options = {"keep_weights": keep_weights, "trunks": trunks, "output": pages[1]}
    manifest = command("write_manifest", experiment_folder=folder, **options)
    for call in (report, manifest):
        subprocess.run(call, check=True, timeout=120)
    for page in pages:
        assert page.read_bytes() == (other / page.name).read_bytes()
