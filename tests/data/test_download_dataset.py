"""The options of the command reach `fetch`, which has its own tests."""

import hashlib
import json

import pytest

from triptych.__main__ import main
from triptych.data.download_dataset import download_dataset
from triptych.storage.errors import InputError

CONTENT = b"an archive"
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.tar.gz"
    path.write_bytes(CONTENT)
    return path


def test_a_url_and_a_local_file(source, tmp_path):
    one, two = tmp_path / "a" / "x.tar.gz", tmp_path / "b" / "x.tar.gz"
    download_dataset(urls=json.dumps([source.as_uri()]), sha256=SUM, archive=one)
    download_dataset(urls="[]", sha256=SUM, size=len(CONTENT), path=source, archive=two)
    assert one.read_bytes() == two.read_bytes() == CONTENT


def test_a_different_file_is_refused(source, tmp_path):
    with pytest.raises(InputError, match=f"sha256 {SUM}: a different file"):
        download_dataset(urls=json.dumps([source.as_uri()]), sha256="0" * 64, archive=tmp_path / "x.tar.gz")
    assert list(tmp_path.iterdir()) == [source]


def test_as_a_command(source, tmp_path, capsys):
    options = ["--urls", json.dumps([source.as_uri()]), "--archive", str(tmp_path / "x.tar.gz")]
    assert main(["download-dataset", *options, "--sha256", SUM]) == 0
    assert main(["download-dataset", *options, "--sha256", "abc"]) == 1
    assert "give 64 hexadecimal digits" in capsys.readouterr().err
