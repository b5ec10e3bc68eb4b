"""Real graphs on image files of the user's: hostile names, and which jobs run after a change of the files."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pandas
import psutil
import pytest
import yaml
from PIL import Image

from tests.conftest import ROOT
from tests.data.photos import tree
from tests.workflow.conftest import jobs_of, rules_of, snakemake, untracked, without_log, write_configuration
from tests.workflow.test_by_hand import check_message, check_whole, results_in, run
from tests.workflow.test_module import SNAKEFILE
from triptych.data.clean import clean
from triptych.data.listing import read_listing
from triptych.storage.tensors import load_tensors

slow = pytest.mark.slow

PHOTOS = """my photos' "$(touch pwned)`touch pwned`;touch pwned {input} é🌷 %s"""
CLASSES = (
    """daisy's "$(touch pwned)" {wildcards.experiment}""",
    "rose; touch pwned & `touch pwned` <b>",
    "tulpe é🌷",
)
NAMES = (
    *("a b.png", "it's.png", '"quoted".png', "new\nline.png", "🌷 é.png", "-n.png", "$(touch pwned).png"),
    *("`touch pwned`; touch pwned.png", "{input} {params.code}.png", "<script>alert(1) %s,;&.png"),
)
BROKEN, NOT_UTF8 = b"broken.png", b"\xff\xfe.png"

EXPERIMENT = {
    "dataset": {"source": "folder", "path": "photos", "validation": 2, "test": 2},
    "model": {"architecture": "resnet18", "input_size": 32},
    "weights": {"source": "none"},
    "training": {"epochs": 1, "num_threads": 1, "device": "cpu"},
    "seeds": [0],
    "arms": {"scratch": {"weights": "random", "train": "all"}},
}
HOSTILE = {**EXPERIMENT, "dataset": {**EXPERIMENT["dataset"], "path": PHOTOS, "policy": "quarantine"}}
DATA = "results/mine/data"
PREPARED = f"{DATA}/sizes.csv"
AFTER_CHECK = {"check_data", "find_duplicates", "report_data", "prepare_dataset", "train", "report", "write_manifest"}
SEARCHED = {"check_data", "find_duplicates"}
SHOW_PATH = {"report", "write_manifest"}
# A cluster of one machine. A picture comes when the first job is submitted: after the driver has listed the folder.
SUBMIT = "sh -c 'cp -n late.png photos/b/; nohup \"$0\" > /dev/null 2>&1 & echo $!'"
COUNT = """

_digest_for = digest_for


def digest_for(*arguments):
    with open("listed.txt", "a") as file:
        print("remote" if "remote" in sys.argv else "main", file=file)
    return _digest_for(*arguments)
"""


def picture(path: Path, number: int) -> None:
    """Write noise whose colour is that of one of three classes."""
    pixels = numpy.random.default_rng(number).integers(0, 200, (30, 40, 3), dtype=numpy.uint8)
    pixels[..., number % 3] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def photograph(folder: Path, classes=("a", "b", "c"), names=tuple(f"{number}.png" for number in range(10))) -> None:
    """Make the pictures of all classes."""
    for number, name in enumerate(classes):
        for position, file in enumerate(names):
            picture(folder / name / file, 3 * position + number)


def configure(folder: Path, experiment=EXPERIMENT, **dataset) -> list[str]:
    """Write the configuration `mine.yaml`; return the options that use it."""
    dataset = {**experiment["dataset"], **dataset}
    write_configuration(folder, {**experiment, "dataset": dataset}, name="mine")
    return ["--configfile", "mine.yaml"]


@pytest.fixture
def small(tmp_path):
    """A folder with pictures in `photos` and a configuration; nothing has run in it."""
    photograph(tmp_path / "photos")
    configure(tmp_path)
    return tmp_path


def state(folder: Path) -> dict[bytes, tuple[int, int, bytes]]:
    """Everything that may not change of the user's files."""
    paths = [Path(os.fsdecode(path)) for path in sorted(os.fsencode(path) for path in folder.rglob("*"))]
    found = [(os.fsencode(path), path.lstat(), path.read_bytes() if path.is_file() else b"") for path in paths]
    return {path: (status.st_mtime_ns, status.st_mode, content) for path, status, content in found}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder in which an experiment on files with hostile names has run to its end."""
    folder = tmp_path_factory.mktemp("image files")
    photograph(folder / PHOTOS, CLASSES, NAMES)
    first = os.fsencode(folder / PHOTOS / CLASSES[0])
    for name in (BROKEN, NOT_UTF8):
        Path(os.fsdecode(first + b"/" + name)).write_bytes(b"\x89PNG\r\n\x1a\n")
    before = state(folder / PHOTOS)
    snakemake("--cores", "2", *configure(folder, HOSTILE), directory=folder)
    assert state(folder / PHOTOS) == before
    return folder


@pytest.fixture
def photos(done, tmp_path):
    """The pictures of `done`, which a test may change; its configuration, too."""
    folder, kept = done / PHOTOS, tmp_path / "kept"
    shutil.copytree(folder, kept)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.move(kept, folder)
    configure(done, HOSTILE)


def again(folder: Path, *arguments: str) -> str:
    """What a dry run says."""
    return snakemake("--dry-run", *arguments, "--configfile", "mine.yaml", directory=folder).stdout


def test_the_rules_of_image_files(small):
    said = again(small, "--cores", "7")
    jobs = {job["rule"]: job for job in jobs_of(said)}
    assert rules_of(said)["check_data"] == rules_of(said)["report_data"] == rules_of(said)["train"] == 1
    assert jobs["check_data"]["threads"] == jobs["prepare_dataset"]["threads"] == "7"
    assert "path=photos, cache=resources/images" in jobs["check_data"]["resources"]
    assert f"{DATA}/report.html" in jobs["all"]["input"] and f"{DATA}/report.html" in jobs["write_manifest"]["input"]
    assert int(jobs["report_data"]["priority"]) > int(jobs["prepare_dataset"].get("priority", 0))
    of_report = {"check_data", "find_duplicates", "report_data"}
    assert set(rules_of(again(small, f"{DATA}/report.html"))) == of_report
    assert [path.name for path in small.iterdir() if path.name != ".snakemake"] == ["mine.yaml", "photos"]


@slow
def test_of_hostile_names_nothing_is_executed_and_all_are_there(done):
    assert not [path for path in done.parent.rglob("*") if path.name.startswith("pwned")]
    assert {path.name for path in done.iterdir()} == {".snakemake", "logs", "resources", "results", "mine.yaml", PHOTOS}
    images = pandas.read_csv(done / DATA / "images.csv", dtype=str, keep_default_na=False)
    assert set(images["path"]) == {f"./{label}/{name}" for label in CLASSES for name in NAMES}
    left_out = pandas.read_csv(done / DATA / "left_out.csv", dtype=str, keep_default_na=False)
    assert sorted(left_out["path"]) == [f"./{CLASSES[0]}/\\xff\\xfe.png", f"./{CLASSES[0]}/broken.png"]
    splits = [load_tensors(done / DATA / f"{name}.safetensors") for name in ("train", "validation", "test")]
    assert [len(split["labels"]) for split in splits] == [18, 6, 6]


@slow
def test_every_file_is_declared_listed_and_as_its_manifest_says(done):
    others = untracked("--configfile", "mine.yaml", directory=done)  # of the user's and in the cache
    assert not [file for file in others if file.startswith(("results/", "logs/"))]
    subprocess.run([sys.executable, "-m", "triptych", "verify", "results/mine"], cwd=done, check=True, timeout=60)
    files = json.loads((done / "results/mine/manifest.json").read_text())["files"]
    data = {name.removeprefix("data/") for name in files if name.startswith("data/")}
    names = ("images", "problems", "ignored", "pairs", "left_out", "leaks", "index", "sizes")
    tables = {f"{name}.csv" for name in names}
    splits = {f"{name}.safetensors" for name in ("train", "validation", "test")}
    assert data == {*tables, *splits, "report.html", "listing.json", "duplicates.json"}
    assert [name for name in data if files[f"data/{name}"]["measured"]] == ["listing.json"]


def move_stamps(folder: Path) -> None:
    for number, path in enumerate(folder.rglob("*")):
        os.utime(path, (10**9 + number, 10**9 + number))


def on_another_mount(folder: Path) -> None:
    """A copy in another order, with time stamps of its own, takes the folder's place."""
    other = folder.with_name("other mount")
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            copy = other / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    shutil.rmtree(folder)
    other.rename(folder)


@slow
@pytest.mark.parametrize("change", [lambda folder: None, move_stamps, on_another_mount], ids=["no", "stamps", "mount"])
def test_without_a_change_of_the_files_nothing_runs(done, photos, change):
    change(photos)
    assert not rules_of(again(done))


@slow
def test_a_folder_that_is_gone_is_one_line(done, photos):
    shutil.rmtree(photos)
    for emptied in (False, True):
        if emptied:
            photos.mkdir()
        said = again(done)
        assert not rules_of(said)
        assert said.count("the images are gone; using those that were prepared from them.") == 1
    moved = done / DATA / "moved.json"
    (done / DATA / "listing.json").rename(moved)
    try:
        photos.rmdir()
        result = snakemake("--dry-run", "--configfile", "mine.yaml", directory=done, check=False)
    finally:
        moved.rename(done / DATA / "listing.json")
    assert result.returncode == 1 and "Traceback" not in result.stdout
    assert result.stdout.count("experiments.mine.dataset.path: the folder ") == 1


def edited(folder: Path) -> None:
    picture(next(folder.rglob("-n.png")), 77)


@slow
@pytest.mark.parametrize(
    "change",
    [
        lambda folder: next(folder.rglob("-n.png")).rename(folder / CLASSES[1] / "n.png"),
        lambda folder: next(folder.rglob("-n.png")).unlink(),
        lambda folder: picture(folder / CLASSES[2] / "new.png", 77),
        edited,
    ],
    ids=["renamed", "removed", "added", "edited"],
)
def test_changed_files_are_checked_and_what_depends_on_them_runs(done, photos, change):
    change(photos)
    jobs = set(rules_of(again(done)))
    assert jobs >= AFTER_CHECK and "write_configuration" not in jobs


@slow
@pytest.mark.parametrize(
    ("dataset", "runs", "does_not"),
    [
        ({"seed": 1}, AFTER_CHECK - SEARCHED, SEARCHED),
        ({"policy": "stop"}, AFTER_CHECK - SEARCHED, SEARCHED),
        ({"fit": "pad"}, AFTER_CHECK, set()),
        (
            {"path": "equal copy"},
            {"write_configuration", "report", "write_manifest"},
            AFTER_CHECK - {"report", "write_manifest"},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_changed_key_runs_what_uses_it(done, photos, dataset, runs, does_not):
    copy = done / "equal copy"
    shutil.copytree(photos, copy, copy_function=shutil.copyfile)
    try:
        configure(done, HOSTILE, **dataset)
        jobs = set(rules_of(again(done)))
    finally:
        shutil.rmtree(copy)
    assert runs <= jobs and not does_not & jobs


@slow
def test_a_file_that_is_added_during_a_run_is_seen_by_the_next(small):
    call = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", small, PREPARED]
    options = ["--cores", "1", "--configfile", "mine.yaml"]
    with subprocess.Popen(
        [*call, *options], cwd=small, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as started:
        deadline = time.monotonic() + 120
        while not (small / DATA / "listing.json").exists():
            assert started.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        picture(small / "photos/a/late.png", 99)
        assert started.wait(120) == 0
    assert set(rules_of(again(small, PREPARED))) == {"check_data", "find_duplicates", "prepare_dataset"}
    snakemake(PREPARED, *options, directory=small)
    assert "./a/late.png" in (small / DATA / "images.csv").read_text()
    assert not rules_of(again(small, PREPARED))


def cached(folder: Path) -> int:
    """How many decoded images are kept."""
    return len(list((folder / "resources/images").glob("*/??/*")))


def killed(folder: Path, images: int) -> int:
    """Run to the prepared data, and kill everything once so many images are kept; return how many were in the end."""
    call = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder, PREPARED]
    options = ["--cores", "2", "--nolock", "--configfile", "mine.yaml"]  # test_resume.py has the lock
    with subprocess.Popen(
        [*call, *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as driver:
        deadline = time.monotonic() + 120
        while cached(folder) < images:
            assert driver.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        running = psutil.Process(driver.pid).children(recursive=True)
        os.killpg(driver.pid, signal.SIGKILL)
    assert not psutil.wait_procs(running, 30)[1]
    assert not (folder / PREPARED).exists()
    return cached(folder)


@slow
def test_killed_while_it_decodes_it_goes_on_from_the_decoded_images_to_the_same_bytes(tmp_path):
    """In `check_data`, and twice in `prepare_dataset` after the decoded images were deleted."""
    moments, count = random.Random(17), 240
    whole, disturbed = tmp_path / "whole", tmp_path / "disturbed"
    for folder in (whole, disturbed):
        tree(folder / "photos", dict.fromkeys("abc", count // 3), width=500, height=330)
        configure(folder)
    call = ["--cores", "2", "--configfile", "mine.yaml"]
    snakemake(PREPARED, *call, directory=whole)

    kept = killed(disturbed, moments.randrange(1, count - 40))
    snakemake(f"{DATA}/pairs.csv", *call, directory=disturbed)
    assert f"({count - kept} decoded, {kept} known already)" in (disturbed / "logs/check_data/mine.log").read_text()

    clean(cache=disturbed / "resources/images")
    first = killed(disturbed, moments.randrange(1, count // 2))
    kept = killed(disturbed, first + moments.randrange(1, count // 2 - 40))
    snakemake(PREPARED, *call, directory=disturbed)
    log = (disturbed / "logs/prepare_dataset/mine.log").read_text()
    assert f" {count - kept} decoded images were deleted; decoding them again" in log

    made = {path.name for path in (whole / DATA).iterdir()}
    assert made == {path.name for path in (disturbed / DATA).iterdir()}
    for name in made - {"listing.json"}:  # that has time stamps
        assert (disturbed / DATA / name).read_bytes() == (whole / DATA / name).read_bytes(), name


@slow
def test_with_a_broken_file_it_stops_with_a_message_and_the_report_or_goes_on_without_it(small):
    (small / "photos/a/broken.png").write_bytes((small / "photos/a/1.png").read_bytes()[:100])
    targets = [f"{DATA}/report.html", PREPARED, "--cores", "1"]
    stopped = snakemake(*targets, "--configfile", "mine.yaml", directory=small, check=False)
    assert stopped.returncode == 1 and "Traceback" not in stopped.stdout
    log = (small / "logs/prepare_dataset/mine.log").read_text()
    (message,) = re.findall(r"^error: .*", log, flags=re.M)
    assert "photos: 1 problem." in message and "./a/broken.png: " in log and f"{DATA}/report.html" in log
    assert (small / DATA / "report.html").is_file() and not (small / PREPARED).exists()

    configure(small, policy="quarantine")
    snakemake(*targets, "--configfile", "mine.yaml", directory=small)
    assert "./a/broken.png" in (small / DATA / "left_out.csv").read_text()
    assert len(list((small / "logs/check_data").iterdir())) == 1
    assert not rules_of(again(small, *targets))


@pytest.fixture(scope="module")
def counting(checkout):
    """A copy of the checkout that notes each process that asks for the digest of the files."""
    listing = checkout / "workflow/triptych/data/listing.py"
    listing.write_text(listing.read_text() + COUNT)
    return checkout


@slow
def test_on_a_cluster_only_the_driver_lists_the_folder(small, counting):
    """A job that listed it again would find another digest: a file came meanwhile, and others were touched."""
    picture(small / "late.png", 99)
    cluster = ["--executor", "cluster-generic", "--cluster-generic-submit-cmd", SUBMIT, "--jobs", "4"]
    call = [PREPARED, "--configfile", "mine.yaml"]
    snakemake(*call, *cluster, directory=small, checkout=counting)
    assert (small / "listed.txt").read_text() == "main\n"
    assert "./b/late.png" in (small / DATA / "images.csv").read_text()
    assert not rules_of(snakemake("--dry-run", *call, directory=small, checkout=counting).stdout)

    digest = read_listing(small / DATA / "listing.json").digest
    move_stamps(small / "photos")
    snakemake(*call, *cluster, "--forcerun", "check_data", directory=small, checkout=counting)
    assert (small / "listed.txt").read_text() == "main\n" * 3
    assert read_listing(small / DATA / "listing.json").digest == digest
    assert not rules_of(snakemake("--dry-run", *call, directory=small, checkout=counting).stdout)


@slow
def test_as_a_module_with_a_prefix_and_other_folders(small):
    """The path is relative to the working directory, what is made lies below the prefix."""
    (small / "Snakefile").write_text(SNAKEFILE.format(root=ROOT))
    own = {"experiments": {"mine": EXPERIMENT}, "pathvars": {"results": "out", "resources": "shared"}}
    (small / "mine.yaml").write_text(yaml.safe_dump({"triptych": own}, sort_keys=False))
    target = "nets/out/mine/data/sizes.csv"

    def jobs() -> set[str]:
        return set(rules_of(snakemake("--dry-run", target, directory=small, checkout=small).stdout))

    snakemake(target, "--cores", "1", directory=small, checkout=small)
    assert {path.name for path in small.iterdir()} == {".snakemake", "Snakefile", "mine.yaml", "nets", "photos"}
    assert {path.name for path in (small / "nets/shared").iterdir()} == {"images"}
    assert not jobs()
    move_stamps(small / "photos")
    assert not jobs()
    (small / "photos/a/1.png").rename(small / "photos/a/one.png")
    assert jobs() == {"triptych_check_data", "triptych_find_duplicates", "triptych_prepare_dataset"}
    shutil.rmtree(small / "photos")
    assert not jobs()


@slow
@pytest.mark.parametrize("name", ["check_data", "prepare_dataset", "report_data"])
def test_by_hand_it_makes_the_same_and_on_a_full_disk_it_is_one_message(done, tmp_path, name):
    said = again(done, "--forceall", "--printshellcmds", f"{DATA}/report.html", PREPARED)
    blocks = [block.partition("\nJob stats")[0] for block in said.split("Shell command: ")[1:]]
    commands = [re.split(r"\n\[|\nDAG of jobs", block)[0].strip() for block in blocks]
    (command,) = [
        command for command in commands if command.startswith(f"python -m triptych {name.replace('_', '-')} ")
    ]
    (files,) = [job["output"].split(", ") for job in jobs_of(said) if job["rule"] == name]
    expected = {file: (done / file).read_bytes() for file in files}
    kept = {file: tmp_path / Path(file).name for file in files}
    for file, place in kept.items():
        shutil.move(done / file, place)
    before = results_in(done)
    try:
        failed = run(without_log(command), done, limit=4)
        check_message(failed, files)
        for file in results_in(done) - before:
            (done / file).unlink()
        made = run(command, done)
        assert made.returncode == 0, made.stdout
        assert results_in(done) - before == set(files)
        check_whole(done, files, expected)
    finally:
        for file, place in kept.items():
            shutil.move(place, done / file)
