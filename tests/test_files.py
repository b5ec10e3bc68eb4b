import os
import stat

import pandas
import pytest

from triptych.files import replacing, sha256, write_json, write_table, write_text


def test_a_file_is_written_whole_with_the_usual_rights(tmp_path):
    path = tmp_path / "new" / "folder" / "text.txt"
    write_text(path, "grün\n")
    assert path.read_bytes() == "grün\n".encode()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "text.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half")
        1 / 0  # noqa: B018
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_keeps_the_suffix_and_the_folder(tmp_path):
    with replacing(tmp_path / "picture.svg") as temporary:
        assert temporary.suffix == ".svg"
        assert temporary.parent == tmp_path


def test_tables_have_no_index_empty_missing_values_and_floats_that_read_back(tmp_path):
    write_table(tmp_path / "t.csv", pandas.DataFrame({"a": [0.1 + 0.2, None], "b": ["x", None]}))
    assert (tmp_path / "t.csv").read_bytes() == b"a,b\n0.30000000000000004,x\n,\n"


def test_json_is_sorted(tmp_path):
    write_json(tmp_path / "x.json", {"b": 1, "a": "é"})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 1\n}\n'


def test_sha256_of_a_known_text(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
