"""Only what depends on a change runs again: a finished tree, a change, and what a dry run then lists."""

import shutil
import subprocess

import pytest
import yaml

from tests.conftest import command
from tests.workflow.conftest import COMMENTS, TINY, jobs_of, rules_of, snakemake, untracked
from triptych.report.write_manifest import MEASURED

pytestmark = pytest.mark.slow

AFTER_TABLES = {
    "plot_arm_curves",
    "plot_curves",
    "plot_kernels",
    "plot_weight_delta",
    "plot_batchnorm_drift",
    "plot_confusion",
    "plot_cost",
    "plot_memory",
    "report",
    "write_manifest",
}
AFTER_TRAINING = AFTER_TABLES | {"extract_weight_delta", "collect_results"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, checkout):
    """A folder in which the tiny experiment has run to its end."""
    folder = tmp_path_factory.mktemp("finished")
    write_configuration(folder, TINY)
    snakemake("--cores", "4", "--configfile", "tiny.yaml", directory=folder, checkout=checkout)
    return folder


def write_configuration(folder, experiment):
    (folder / "tiny.yaml").write_text(yaml.safe_dump({"experiments": {"tiny": experiment}}, sort_keys=False))


def dry_run(folder, checkout) -> str:
    return snakemake("--dry-run", "--configfile", "tiny.yaml", directory=folder, checkout=checkout).stdout


def test_a_finished_tree_has_nothing_to_do(finished, checkout):
    assert not rules_of(dry_run(finished, checkout))


@pytest.mark.parametrize(
    ("module", "again", "counts"),
    [
        ("figures/plot_kernels.py", {"plot_kernels", "report", "write_manifest"}, {"plot_kernels": 3}),
        ("report/report.css", {"report", "write_manifest"}, {}),
        ("analysis/comparisons.py", {"collect_results"} | AFTER_TABLES, {}),
        # the random arm's initial weights do not depend on the pretraining
        (
            "training/loop.py",
            {"pretrain_weights", "initialise_model", "train"} | AFTER_TRAINING,
            {"train": 6, "initialise_model": 4},
        ),
        ("training/train.py", {"train"} | AFTER_TRAINING, {"train": 6}),
    ],
)
def test_a_changed_module_runs_what_uses_it_and_what_follows(finished, checkout, module, again, counts):
    path = checkout / "workflow" / "triptych" / module
    before = path.read_text()
    try:
        path.write_text(before + COMMENTS[path.suffix])
        rules = rules_of(dry_run(finished, checkout))
    finally:
        path.write_text(before)
    assert set(rules) == again
    assert {rule: rules[rule] for rule in counts} == counts


ALL_RUNS = {(arm, seed) for arm in TINY["arms"] for seed in "01"}


def changed_arm(name, **changes):
    return {"arms": {**TINY["arms"], name: {**TINY["arms"][name], **changes}}}


@pytest.mark.parametrize(
    ("change", "again", "trained"),
    [
        (
            changed_arm("finetune", training={"learning_rate": 1e-3}),
            {"write_configuration", "train"} | AFTER_TRAINING,
            {("finetune", "0"), ("finetune", "1")},
        ),
        (
            changed_arm("last_layer", batchnorm="frozen"),
            {"write_configuration", "extract_features", "train"} | AFTER_TRAINING,
            {("last_layer", "0"), ("last_layer", "1")},
        ),
        (
            {"seeds": [0, 1, 2]},
            {"write_configuration", "initialise_model", "train"} | AFTER_TRAINING,
            {("scratch", "2"), ("finetune", "2"), ("last_layer", "2")},
        ),
        (
            {"arms": {name: arm for name, arm in TINY["arms"].items() if name != "scratch"}},
            {"write_configuration", "compare_architectures", "collect_results"} | AFTER_TABLES,
            set(),
        ),
        (
            {"comparison": {**TINY["comparison"], "equivalence_margin": 2.0}},
            {"write_configuration", "collect_results"} | AFTER_TABLES,
            set(),
        ),
        (
            {"reference_models": [{"architecture": "resnet34", "input_size": 32}]},
            {"write_configuration", "compare_architectures", "plot_architectures", "report", "write_manifest"},
            set(),
        ),
        ({"question": "Another one?"}, {"write_configuration", "report", "write_manifest"}, set()),
        # decides no result
        (
            {"training": {**TINY["training"], "checkpoint_minutes": 5}},
            {"write_configuration", "report", "write_manifest"},
            set(),
        ),
        (changed_arm("finetune", label="other"), {"write_configuration", "collect_results"} | AFTER_TABLES, set()),
        (
            {"training": {**TINY["training"], "epochs": 2}},
            {"write_configuration", "train"} | AFTER_TRAINING,
            ALL_RUNS,
        ),
        ({"seeds": [0]}, {"write_configuration", "collect_results"} | AFTER_TABLES, set()),
        (
            {"arms": {**TINY["arms"], "frozen": {"weights": "pretrained", "train": "head", "batchnorm": "frozen"}}},
            {"write_configuration", "compare_architectures", "initialise_model", "extract_features", "train"}
            | AFTER_TRAINING,
            {("frozen", "0"), ("frozen", "1")},
        ),
        (
            {"dataset": {**TINY["dataset"], "test_per_class": 12}},
            {"write_configuration", "prepare_dataset", "describe_model", "initialise_model", "train", "plot_samples"}
            | AFTER_TRAINING,
            ALL_RUNS,
        ),
        (
            {"weights": {**TINY["weights"], "seed": 5}},
            {"write_configuration", "prepare_letters", "pretrain_weights", "initialise_model", "train"}
            | AFTER_TRAINING,
            {(arm, seed) for arm in ("finetune", "last_layer") for seed in "01"},
        ),
    ],
    ids=[
        *("learning rate", "batchnorm", "seed added", "arm removed", "margin", "reference", "question"),
        *("checkpoints", "label", "epochs", "seed removed", "arm added", "dataset", "weights"),
    ],
)
def test_a_changed_value_runs_what_uses_it_and_what_follows(finished, checkout, change, again, trained):
    try:
        write_configuration(finished, {**TINY, **change})
        result = dry_run(finished, checkout)
    finally:
        write_configuration(finished, TINY)
    assert set(rules_of(result)) == again
    jobs = [
        dict(part.split("=") for part in job["wildcards"].split(", "))
        for job in jobs_of(result)
        if job["rule"] == "train"
    ]
    assert {(job["arm"], job["seed"]) for job in jobs} == trained


@pytest.mark.parametrize(
    ("file", "again"),
    [
        ("data/train.safetensors", {"describe_model", "initialise_model", "train", "plot_samples"} | AFTER_TRAINING),
        ("data/test.safetensors", {"train"} | AFTER_TRAINING),
        ("data/index.csv", {"plot_samples", "plot_confusion", "report", "write_manifest"}),
        ("weights/letters/test.safetensors", {"pretrain_weights", "initialise_model", "train"} | AFTER_TRAINING),
        ("weights/resnet18.safetensors", {"initialise_model", "train"} | AFTER_TRAINING),
        ("runs/finetune/seed1/predictions.safetensors", {"collect_results"} | AFTER_TABLES),
        ("tables/summary.csv", {"plot_cost", "report", "write_manifest"}),
    ],
)
def test_a_changed_file_runs_what_reads_it_and_what_follows(finished, checkout, file, again):
    path = finished / "results" / "tiny" / file
    before = path.read_bytes()
    try:
        path.write_bytes(before + b"changed")
        rules = rules_of(dry_run(finished, checkout))
    finally:
        path.write_bytes(before)
    assert set(rules) == again


def test_a_touched_file_with_the_same_content_runs_nothing(finished, checkout):
    (finished / "results/tiny/data/train.safetensors").touch()
    (finished / "results/tiny/weights/resnet18.safetensors").touch()
    assert not rules_of(dry_run(finished, checkout))


def test_no_file_is_made_that_no_rule_declares(finished, checkout):
    assert untracked("--configfile", "tiny.yaml", directory=finished, checkout=checkout) == {"tiny.yaml"}


def test_another_folder_home_locale_time_zone_and_number_of_cores_give_the_same_bytes(finished, checkout, tmp_path):
    folder, home = tmp_path / "another folder", tmp_path / "home"
    for own_settings in (folder / "matplotlibrc", home / ".config" / "matplotlib" / "matplotlibrc"):
        own_settings.parent.mkdir(parents=True)
        own_settings.write_text(
            "lines.linewidth: 9\nfont.family: serif\nsavefig.dpi: 20\naxes.formatter.use_locale: True\n"
        )
    shutil.copy(finished / "tiny.yaml", folder)
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
    call = ["--cores", "1", "--configfile", "tiny.yaml"]
    snakemake(*call, directory=folder, checkout=checkout, environment=elsewhere)
    check_same_bytes(folder / "results" / "tiny", finished / "results" / "tiny")


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
    manifest = command("write_manifest", experiment_folder=folder, keep_weights="all", output=pages[1])
    for call in (report, manifest):
        subprocess.run(call, check=True, timeout=120)
    for page in pages:
        assert page.read_bytes() == (other / page.name).read_bytes()
