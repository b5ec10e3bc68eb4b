"""Real Snakemake runs of malicious configurations: nothing is executed, nothing leaves the experiment's folder."""

import html
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter

import pandas
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.configuration.test_hostile_configuration import nearly_right, with_other_texts
from tests.data.test_cifar import cifar10_members, write_archive
from tests.workflow.conftest import LABELS, QUESTION, TINY, snakemake, tiers, untracked
from tests.workflow.test_configuration import files_in
from triptych.storage.files import sha256

slow = pytest.mark.slow

PRINTABLE = st.text("aZ 0é東$`'\"\\{}()<>&|;:#%*?!~-/", min_size=1, max_size=40)
"""Texts that are allowed, of characters that mean something to a shell, to YAML, to HTML or to Snakemake."""


@slow
def test_nothing_is_executed(whole):
    assert not [path for path in whole.parent.rglob("*") if "pwned" in path.name]
    assert sorted(path.name for path in whole.iterdir()) == [".snakemake", "logs", "results"]
    assert [path.name for path in (whole / "results").iterdir()] == ["tiny"]


@slow
def test_texts_arrive_as_they_are(whole):
    results = whole / "results" / "tiny"
    arms = pandas.read_csv(results / "tables" / "arms.csv", dtype=str, keep_default_na=False)
    assert LABELS.items() <= dict(zip(arms["arm"], arms["label"], strict=True)).items()
    written = yaml.safe_load((results / "config.yaml").read_text(encoding="utf-8"))["experiments"]["tiny"]
    assert written["question"] == QUESTION
    assert LABELS.items() <= {name: arm["label"] for name, arm in written["arms"].items()}.items()
    page = (results / "report.html").read_text(encoding="utf-8")
    for text in (QUESTION, *LABELS.values()):
        assert text not in page  # all of them need escaping
        assert text in html.unescape(page)
    for dangerous in ("<script>alert", "<b>x</b>", "</title> &amp; --"):
        assert dangerous not in page
    for figure in (results / "figures").glob("*.svg"):
        ElementTree.parse(figure)


@slow
def test_the_folder_is_what_its_manifest_says(whole):
    call = [sys.executable, "-m", "triptych", "verify", "results/tiny"]
    done = subprocess.run(call, cwd=whole, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@slow
def test_in_a_folder_that_was_empty_only_benchmarks_are_untracked(whole):
    assert not untracked("--configfile", whole.parent / "tiny.yaml", directory=whole)


@slow
@pytest.mark.parametrize("given_as", ["path", "urls"])
def test_paths_and_addresses_reach_no_shell(tmp_path, given_as):
    name = """$(touch pwned)`touch pwned`;  touch pwned #' " {input} & é.tar.gz"""
    source = write_archive(tmp_path / name, cifar10_members())
    folder = tmp_path / "run"
    folder.mkdir()
    dataset = {
        "source": "cifar10",
        "sha256": sha256(source),
        "expected_train": 100,
        "expected_test": 20,
        "validation_per_class": 2,
        "urls": ["file:///none/$(touch pwned)'`touch pwned`\";touch pwned {output}", source.as_uri()],
        "path": str(source) if given_as == "path" else None,
    }
    experiment = {**TINY, "dataset": dataset, "arms": {"only": {}}, "weights": {"source": "none"}}
    (folder / "c.yaml").write_text(yaml.safe_dump({"experiments": {"mine": experiment}}))
    target = "results/mine/data/train.safetensors"
    snakemake(target, "--cores", "1", "--configfile", "c.yaml", directory=folder)
    assert (folder / target).is_file()
    assert not list(tmp_path.rglob("pwned*"))
    archives = [path.name for path in (folder / "resources" / "datasets").iterdir()]
    assert archives == [f"cifar10-{sha256(source)[:16]}.tar.gz"]


NAMES = ["..", "/tmp/abs", "a b;touch pwned", "$(touch pwned)", "a\nb", ".hidden"]


@pytest.mark.parametrize(
    ("of", "name"),
    tiers(
        slow=[*(("experiment", name) for name in NAMES[:5]), ("arm", ".."), ("arm", "a b;touch pwned")],
        # last run: 2026-11-28, passed
        long=[("experiment", ".hidden"), *(("arm", name) for name in NAMES if name not in ("..", "a b;touch pwned"))],
    ),
)
def test_a_name_that_leaves_its_folder_is_refused(tmp_path, of, name):
    experiment = {**TINY, "arms": {name: TINY["arms"]["scratch"]}} if of == "arm" else TINY
    content = {"experiments": {name if of == "experiment" else "mine": experiment}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
    result = snakemake("--cores", "1", "--configfile", "c.yaml", directory=tmp_path, check=False)
    assert result.returncode != 0
    assert f"the name {name!r} is not allowed; it becomes a folder" in result.stdout
    assert "Traceback" not in result.stdout
    assert files_in(tmp_path) == ["c.yaml"]


@pytest.mark.parametrize("examples", tiers(slow=[18], long=[30]))  # the long one's last run: 2026-11-28, passed
def test_anything_is_a_dry_run_or_one_message(tmp_path_factory, examples):
    outcomes = Counter()

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(nearly_right(), with_other_texts(), with_other_texts(PRINTABLE)))
    def check(raw):
        folder = tmp_path_factory.mktemp("dry")
        (folder / "c.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
        result = snakemake("--dry-run", "--configfile", "c.yaml", directory=folder, check=False)
        assert "Traceback" not in result.stdout, (raw, result.stdout)
        if result.returncode:
            outcomes["refused"] += 1
            assert result.stdout.count("configuration: ") == 1, (raw, result.stdout)
        else:
            outcomes["a dry run"] += 1
            assert "train" in result.stdout
        # a dry run leaves a cache of its own
        assert [file for file in files_in(folder) if not file.startswith(".snakemake/")] == ["c.yaml"]

    check()
    assert all(outcomes[outcome] >= 3 for outcome in ("refused", "a dry run")), outcomes
