"""A decision is read only as it was written."""

import hashlib
import json

import pytest

from triptych.results.decision import DECISION_KEYS, decision_digest, read_decision
from triptych.storage.errors import InputError


@pytest.fixture
def decision(shelf, tmp_path):
    path = tmp_path / "decision.json"
    path.write_bytes((shelf().folder / "decision.json").read_bytes())
    return path


def test_a_decision_has_the_digest_of_its_content(decision):
    content = read_decision(decision)
    assert set(content) == set(DECISION_KEYS)
    rest = {key: value for key, value in content.items() if key != "digest"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert content["digest"] == hashlib.sha256(canonical).hexdigest() == decision_digest(rest)


@pytest.mark.parametrize("key", sorted(set(DECISION_KEYS) - {"digest"}))
def test_a_decision_that_was_edited_is_refused(decision, key):
    content = json.loads(decision.read_text())
    decision.write_text(json.dumps(content | {key: "other"}))
    message = rf"{decision.name}: the decision was changed by hand; delete it and run again$"
    with pytest.raises(InputError, match=message):
        read_decision(decision)
    del content[key]
    decision.write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"found none called {key}"):
        read_decision(decision)


def test_layout_and_order_of_keys_do_not_matter(decision):
    content = json.loads(decision.read_text())
    decision.write_text(json.dumps(dict(reversed(content.items()))))
    assert read_decision(decision) == content


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_no_decision(decision, text):
    decision.write_text(text)
    with pytest.raises(InputError, match=r"decision\.json: expected"):
        read_decision(decision)
    decision.unlink()
    with pytest.raises(InputError, match=r"decision\.json: the file is missing"):
        read_decision(decision)
