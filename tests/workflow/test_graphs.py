"""Every shipped configuration, and one with image files, gives the graph that it is known to give."""

import difflib
import re

import pytest

from tests.workflow.conftest import rules_of
from tests.workflow.graphs import COMMAND, FOLDER, GRAPHS, PHOTOS, dry_run, golden, summary


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.name)
def test_the_graph_is_the_known_one(path, tmp_path):
    output = dry_run(path, tmp_path)
    assert rules_of(output)["train"] >= 3
    assert {file.name for file in tmp_path.iterdir()} == {".snakemake", PHOTOS}
    known, found = golden(path).read_text(), summary(output)
    difference = difflib.unified_diff(known.splitlines(), found.splitlines(), "known", "found", lineterm="", n=4)
    assert known == found, f"the graph of {path.name} has changed; if so meant: {COMMAND}\n" + "\n".join(difference)


def test_every_configuration_has_a_known_graph_and_no_other_is_kept():
    assert {path.name for path in FOLDER.iterdir()} == {golden(path).name for path in GRAPHS}


def test_the_known_graphs_are_those_of_any_machine():
    for path in FOLDER.iterdir():
        text = path.read_text()
        assert not re.search(r"[ =]/", text), "an absolute path"
        assert not re.search(r"[0-9a-f]{8}", text), "a digest"
        assert "no rule" not in text, "a file that no rule makes"
