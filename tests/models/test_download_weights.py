"""The options of the command reach `fetch`, which has its own tests."""

import hashlib
import json

import pytest

from triptych.models.download_weights import download_weights
from triptych.storage.errors import InputError

CONTENT = b"weights"
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("digits", [8, 64])
def test_by_its_checksum_or_its_first_digits(tmp_path, digits):
    source, destination = tmp_path / "source.pth", tmp_path / "resources" / "x.pth"
    source.write_bytes(CONTENT)
    download_weights(urls=json.dumps([source.as_uri()]), sha256=SUM[:digits], state_dict=destination)
    assert destination.read_bytes() == CONTENT
    with pytest.raises(InputError, match="a different file"):
        download_weights(urls="[]", path=source, sha256="0" * digits, state_dict=destination)
    assert destination.read_bytes() == CONTENT
