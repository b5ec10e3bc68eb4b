"""Configurations with keys and values of the wrong kind: settings that load back the same, or one clear message."""

import copy
import json

import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from triptych.configuration.effective import effective
from triptych.configuration.experiment import Configuration
from triptych.configuration.loading import load_configuration
from triptych.configuration.messages import resolve
from triptych.storage.errors import InputError

SHIPPED = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "config").glob("*.yaml"))]

SCHEMA = Configuration.model_json_schema()
KEYS_OF_SCHEMA = sorted(
    {key for node in [SCHEMA, *SCHEMA["$defs"].values()] for key in resolve(SCHEMA, node).get("properties", {})}
)

HOSTILE_TEXTS = [
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned #",
    "' && touch pwned && '",
    '" | touch pwned | "',
    "{params.code}",
    "{config}",
    "%s%n",
    "a\nb",
    "a\rb",
    "\x00",
    "\x1b[2J",
    "\ud800",
    "\u202e",
    "🤷",
    "..",
    "../..",
    "/etc/passwd",
    "a/b",
    "~",
    "-rf",
    "--config",
    "<script>alert(1)</script>",
    "nan",
    "-inf",
    "1e999",
    "0x10",
    "1_000",
    "١٢",
    "true",
    "null",
    "",
    " ",
    "x" * 5000,
    "http://[::1",
    "file://",
    "https://a/$(touch pwned)",
]
TEXTS = st.one_of(st.sampled_from(HOSTILE_TEXTS), st.text(max_size=12), st.text(st.characters(), max_size=6))
NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([10**400, 2**63, 2**64, 0, -1, 1_000_000, 1_000_001]),
    st.floats(),
)
KEYS = st.one_of(
    st.sampled_from(KEYS_OF_SCHEMA), TEXTS, st.integers(-2, 9), st.none(), st.booleans(), st.dates(), st.floats()
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    TEXTS,
    st.dates(),
    st.datetimes(),
    st.binary(max_size=4),
    st.sets(st.integers(0, 3), max_size=2),
    st.sampled_from(["none", "letters", "digits", "cifar10", "torchvision", "resnet18", "pretrained", "head", "cpu"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda values: st.one_of(st.lists(values, max_size=3), st.dictionaries(KEYS, values, max_size=3)),
    max_leaves=8,
)


def places(value, path=()):
    """Every path into nested mappings and lists."""
    if path:
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from places(entry, (*path, key))


@st.composite
def nearly_right(draw, values=VALUES, keys=KEYS, texts=TEXTS):
    """A shipped configuration in which one to four things are replaced, added, removed or given another name."""
    raw = copy.deepcopy(draw(st.sampled_from(SHIPPED)))
    for _ in range(draw(st.integers(1, 4))):
        paths = list(places(raw))
        if not paths:
            break
        *parents, last = draw(st.sampled_from(paths))
        entry = raw
        for key in parents:
            entry = entry[key]
        match draw(st.sampled_from(["replace", "text", "add", "remove", "rename"])):
            case "replace":
                entry[last] = draw(values)
            case "text":
                entry[last] = draw(texts)
            case "remove":
                del entry[last]
            case "add" if isinstance(entry, dict):
                entry[draw(keys)] = draw(values)
            case "rename" if isinstance(entry, dict):
                entry[draw(keys)] = entry.pop(last)
    return raw


@st.composite
def with_other_texts(draw, texts=TEXTS):
    """A shipped configuration in which the texts that are free are any."""
    raw = copy.deepcopy(draw(st.sampled_from(SHIPPED)))
    for experiment in raw["experiments"].values():
        experiment["question"] = draw(texts)
        experiment["weights"] = {"source": "torchvision", "path": draw(texts), "urls": ["https://a/" + draw(texts)]}
        for arm in draw(st.sets(st.sampled_from(sorted(experiment["arms"])), max_size=2)):
            experiment["arms"][arm]["label"] = draw(texts)
    return raw


def check_message(message):
    """One line a problem, under a line that counts them where there are several; nothing of pydantic's own."""
    header, *lines = message.split("\n")
    assert header
    assert not lines or header == f"{len(lines)} problems:"
    assert "pydantic" not in message
    assert "Traceback" not in message
    assert message.replace("\n", "").isprintable()
    assert all(len(line) < 1000 for line in [header, *lines])


ANYTHING = st.one_of(nearly_right(), with_other_texts(), st.dictionaries(KEYS, VALUES, max_size=3), VALUES)
UNCHECKED = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.slow
@settings(max_examples=500, deadline=None, suppress_health_check=UNCHECKED)
@given(ANYTHING)
def test_anything_is_either_settings_or_one_message(raw):
    check(raw)


@pytest.mark.long  # last run: 2026-11-28, passed
@settings(max_examples=1500, deadline=None, suppress_health_check=UNCHECKED)
@given(ANYTHING)
def test_anything_at_all_is_either_settings_or_one_message(raw):
    check(raw)


def check(raw):
    """It is settings that load back the same, or one message."""
    try:
        configuration = load_configuration(raw)
    except InputError as error:
        event("refused")
        check_message(str(error))
    else:
        event("settings")
        in_effect = effective(configuration)
        text = json.dumps(in_effect)
        text.encode()
        assert effective(load_configuration(json.loads(text))) == in_effect
        assert effective(load_configuration(yaml.safe_load(yaml.safe_dump(in_effect, allow_unicode=True)))) == in_effect
        for name, experiment in in_effect["experiments"].items():
            for folder in (name, *experiment["arms"]):
                assert folder.isascii()
                assert not set(folder) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def test_a_mapping_that_nests_a_thousand_times():
    value = {}
    for _ in range(1000):
        value = {"a": value}
    for raw in (value, {"experiments": value}, {"experiments": {"mine": {"arms": {"one": {"model": value}}}}}):
        try:
            load_configuration(raw)
        except InputError as error:
            check_message(str(error))
        else:
            raise AssertionError("it was taken")
