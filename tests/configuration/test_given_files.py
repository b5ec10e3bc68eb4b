"""A key that stands twice, and folders that are no plain paths, are refused with what is wrong and where."""

import pytest

from triptych.configuration.given_files import check_files, check_pathvars
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


def test_a_key_that_stands_twice_is_named_with_its_lines(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(TWICE.replace(", one: 3", ""))
    with pytest.raises(InputError) as error:
        check_files([path])
    assert str(error.value) == (
        f"{path}: experiments.mine stands twice, in lines 2 and 7, and only the last would count; give each its own "
        "name"
    )


def test_also_deep_inside(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(TWICE)
    with pytest.raises(InputError, match=r"experiments\.other\.arms\.1\.one stands twice, in lines 6 and 6"):
        check_files([path])


@pytest.mark.parametrize("content", ["", "a: [", "a: 1\nb: {a: 1}\nc: [{a: 1}, {a: 2}]\n", "{a: 1}: 2", "\x00", "- 1"])
def test_what_has_no_key_twice_is_left_to_snakemake(tmp_path, content):
    path = tmp_path / "my.yaml"
    path.write_text(content)
    check_files([path, tmp_path / "none.yaml", tmp_path])


@pytest.mark.parametrize(
    "pathvars", [{}, {"results": "/large/disk/r", "resources": "../r", "logs": "l", "benchmarks": "b"}]
)
def test_folders(pathvars):
    check_pathvars(pathvars)


@pytest.mark.parametrize(
    ("pathvars", "message"),
    [
        (None, r"pathvars: nothing \(null\) is not allowed; give a mapping of results, resources, logs, benchmarks"),
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
