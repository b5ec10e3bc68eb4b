"""Files that are no YAML or repeat a key, and folders that are no plain paths, are refused with what to write."""

import json

import pytest

from triptych.configuration.given_files import check_files, check_pathvars, read_files
from triptych.storage.errors import InputError

TWICE = """\
experiments:
  mine: {seeds: [1]}
  other:
    arms:
      - {one: 1, two: 2}
      - {one: 1, two: 2, one: 3}
  mine: {seeds: [2]}
"""


def messages_of(*paths) -> list[str]:
    with pytest.raises(InputError) as caught:
        check_files(paths)
    header, *lines = str(caught.value).split("\n  ")
    assert not lines or header == f"{len(lines)} problems:"
    return lines or [header]


def test_repeated_keys_are_named_with_their_lines(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(TWICE)
    rest = "too, and only the last would count; give each its own name."
    assert messages_of(path) == [
        f"{path}, line 6: experiments.other.arms.1.one is given in line 6, {rest}",
        f"{path}, line 7: experiments.mine is given in line 2, {rest}",
    ]


@pytest.mark.parametrize("content", ["", "a: 1\nb: {a: 1}\nc: [{a: 1}, {a: 2}]\n", "- 1", '{"a":\t1}', "\ufeffa: 1\n"])
def test_what_snakemake_reads_passes(tmp_path, content):
    path = tmp_path / "my.yaml"
    path.write_text(content, encoding="utf-8")
    check_files([path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", ", line 1: the [ that opens here is not closed; write ] at its end."),
        ("a: 1\n".encode("utf-16"), ": this is no UTF-8 text (UTF-16, perhaps); save it as UTF-8."),
        ("a: 1\n".encode("utf-16-be"), ": this is no UTF-8 text (UTF-16, perhaps); save it as UTF-8."),
        (b"a: 1\nb: Gr\xfc\xdfe\n", ", line 2: the byte 0xfc is not UTF-8; save the file as UTF-8."),
        (b"a: 2026-13-45\n", ": month must be in 1..12; put dates in quotation marks."),
        (b"[" * 3000, ": mappings or lists are nested too deeply."),
        (b'{"a": 1,\n\t"a": 2}', ", line 2: a is given in line 1, too, and only the last would count; give each its "
         "own name."),
    ],
    ids=["YAML", "UTF-16", "UTF-16 without a mark", "Latin-1", "no date", "deep", "JSON"],
)  # fmt: skip
def test_what_cannot_be_read_is_one_message(tmp_path, content, message):
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    assert messages_of(path) == [f"{path}{message}"]


def test_each_file_has_its_message_and_a_missing_one_the_nearest(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a:\n\tb: 1\n")
    missing = tmp_path / "mine.yml"
    assert messages_of(path, missing, tmp_path, tmp_path / "no" / "such.yaml") == [
        f"{path}, line 2: a tab is not allowed here; write spaces.",
        f"{missing}: there is no such file; the nearest is {path}.",
        f"{tmp_path}: this is a folder; give a file.",
        f"{tmp_path}/no/such.yaml: there is no such file.",
    ]


def test_files_are_merged(tmp_path):
    """As `tests/workflow/test_configuration.py` shows of Snakemake."""
    first, second, third = (tmp_path / f"{number}.yaml" for number in range(3))
    first.write_text("experiments: {one: {seeds: [1], training: {epochs: 2, batch_size: 8}}}\n")
    second.write_text(json.dumps({"experiments": {"two": {}, "one": {"training": {"epochs": 5}}}}))
    third.write_text("experiments: {one: {seeds: [3, 4]}}\n")
    assert read_files([first, second, third]) == {
        "experiments": {"one": {"seeds": [3, 4], "training": {"epochs": 5, "batch_size": 8}}, "two": {}}
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty; give a mapping with the key experiments."),
        ("- 1\n", r"\[1\] is not allowed; give a mapping with the key experiments."),
        ("__use_yte__: true\n", "Snakemake alone fills in a template; check it with snakemake -n --configfile."),
    ],
)
def test_what_holds_no_mapping_is_refused(tmp_path, content, message):
    path = tmp_path / "my.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=f"{path}: {message}"):
        read_files([path])


@pytest.mark.parametrize(
    "pathvars", [{}, {"results": "/large/disk/r", "resources": "../r", "logs": "l", "benchmarks": "b"}]
)
def test_folders(pathvars):
    check_pathvars(pathvars)


@pytest.mark.parametrize(
    ("pathvars", "message"),
    [
        (None, r"pathvars: nothing \(null\) is not allowed; give a mapping of results, resources, logs, benchmarks\."),
        ({"result": "x"}, r"pathvars\.result: there is no such key; allowed are results, resources, logs, benchmarks"),
        ({"results": "~/res"}, r"pathvars\.results: '~/res' is not allowed; give a folder as a path"),
        ({"resources": "$SCRATCH/r"}, r"pathvars\.resources: '\$SCRATCH/r' is not allowed"),
        ({"logs": ""}, r"pathvars\.logs: '' is not allowed"),
        ({"logs": 3}, r"pathvars\.logs: 3 is not allowed"),
    ],
)
def test_other_folders_are_refused(pathvars, message):
    with pytest.raises(InputError, match=message):
        check_pathvars(pathvars)
