"""The configuration in words: what its JSON schema allows at a key, and messages about what it does not allow."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import takewhile
from operator import itemgetter
from typing import Any

from pydantic import ValidationError

PLACEHOLDERS = {"experiments": "NAME", "arms": "ARM"}
"""Placeholders for the names of entries."""
IN_WORDS = {"NAME": "an experiment", "ARM": "an arm"}

NAME_IN_WORDS = "letters, digits, - and _ (at most 64 characters, the first a letter or a digit)"

MOST_NAMES = 12
"""The most alternatives that are all named; of more, only the first few are."""

USUAL_NAMES = {
    "amp": "float16",
    "arch": "architecture",
    "backbone": "architecture",
    "bf16": "bfloat16",
    "classifier": "head",
    "csv": "table",
    "data_dir": "path",
    "directory": "folder",
    "early_stopping": "patience",
    "fc": "head",
    "finetune": "all",
    "fp16": "float16",
    "fp32": "float32",
    "freeze": "train",
    "full": "all",
    "gpu": "cuda",
    "image_folder": "folder",
    "image_size": "input_size",
    "imagefolder": "folder",
    "imagenet": "torchvision",
    "img_size": "input_size",
    "last_layer": "head",
    "linear": "head",
    "lr": "learning_rate",
    "network": "architecture",
    "num_epochs": "epochs",
    "num_workers": "num_threads",
    "pretrained": "weights",
    "resolution": "input_size",
    "root": "path",
    "scratch": "random",
    "seed": "seeds",
    "test_split": "test",
    "threads": "num_threads",
    "val": "validation",
    "val_split": "validation",
    "workers": "num_threads",
}
"""What other tools call a key or a value, and what it is called here."""

REMOVED = {
    ("comparison", key): "arms are compared by formulas, without drawing random numbers; delete this key"
    for key in ("bootstrap_draws", "seed")
}
"""Removed keys of an experiment, by section and name, and what to do, as the end of a sentence."""

OWN_ADVICE = frozenset(
    [
        "architecture",
        "chosen_weights",
        "colour",
        "one_line",
        "path",
        "pattern",
        "range",
        "sha256",
        "share",
        "twice",
        "url",
    ]
)
"""The kinds of `PydanticCustomError` whose text says what to give."""

FORMATS = {"path": "a path", "colour": '"#rrggbb"', "pattern": "a regular expression with one group"}
"""Texts of a form of their own, by the `format` of their schema."""

LONGEST_EXAMPLE = 10
"""The most entries of a list that a message writes out."""


def resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that `node` refers to in the definitions of `schema`, or `node` itself.

    Keys beside the reference (description, default) win over those of the definition.
    """
    if "$ref" not in node:
        return node
    beside = {key: value for key, value in node.items() if key != "$ref"}
    return {**schema["$defs"][node["$ref"].rpartition("/")[2]], **beside}


def child(schema: dict[str, Any], node: dict[str, Any], key: Any) -> dict[str, Any]:
    """Return the schema at `key` of a mapping or a list, or of the alternative called `key`; {} if there is none."""
    node = resolve(schema, node)
    if "discriminator" in node:
        reference = node["discriminator"]["mapping"].get(key)
        return resolve(schema, {"$ref": reference}) if reference else {}
    if "items" in node:
        return resolve(schema, node["items"])
    named = [*node.get("patternProperties", {}).values(), {}]
    return resolve(schema, node.get("properties", {}).get(key, named[0]))


def in_words(schema: dict[str, Any], node: dict[str, Any]) -> str:
    """Return what `node` allows, as the end of a sentence that begins with "give"."""
    node = resolve(schema, node)
    if "anyOf" in node:
        return " or ".join(in_words(schema, alternative) for alternative in node["anyOf"])
    if "oneOf" in node:
        return f"a mapping whose {node['discriminator']['propertyName']} is {_names(node['discriminator']['mapping'])}"
    if "const" in node:
        return str(node["const"])
    if "enum" in node:
        return _names(node["enum"])
    match node.get("type"):
        case "null":
            return "null"
        case "boolean":
            return "true or false"
        case "integer":
            return "a whole number" + _bounds(node)
        case "number":
            return "a number" + _bounds(node)
        case "string" if "format" in node:
            return FORMATS[node["format"]]
        case "string":
            return f"text of {node.get('minLength', 0)} to {node['maxLength']} characters"
        case "array":
            entries = "different entries" if node.get("uniqueItems") else "entries"
            least, most = node["minItems"], node["maxItems"]
            count = least if least == most else f"{least} to {most}"
            return f"a list of {count} {entries}, each {in_words(schema, node['items'])}"
        case _ if "properties" in node:
            return f"a mapping with any of the keys {', '.join(node['properties'])}"
        case _:
            return "a mapping of at least one entry, each under a name of its own"


def _names(names: Any) -> str:
    names = [str(name) for name in names]
    if len(names) > MOST_NAMES:
        return f"one of {', '.join(names[:3])}, ... ({len(names)} names)"
    return f"one of {', '.join(names)}" if len(names) > 1 else names[0]


def _bounds(node: dict[str, Any]) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f" from {low:.10g} to {high:.10g}"
    words = [
        f"{phrase} {node[key]:.10g}"
        for key, phrase in (
            ("minimum", "of at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "of at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in node
    ]
    return " " + " and ".join(words) if words else ""


def one_message(problems: Sequence[str]) -> str:
    """Return one text: a sentence for each problem, under a line that counts them where there are several."""
    sentences = [f"{problem}." for problem in dict.fromkeys(problems)]
    return sentences[0] if len(sentences) == 1 else "\n  ".join([f"{len(sentences)} problems:", *sentences])


def hint(name: Any, names: Iterable[str]) -> str:
    """Return which of `names` is probably meant by `name`, as the end of a sentence; empty if none is."""
    if not isinstance(name, str):
        return ""
    if (meant := USUAL_NAMES.get(name.lower())) in (names := list(names)):
        return f"; for {name} write {meant}"
    by_small_letters = {str(known).lower(): str(known) for known in reversed(names)}
    matches = get_close_matches(name[:100].lower(), by_small_letters, n=1, cutoff=0.7)
    return f"; the nearest is {by_small_letters[matches[0]]}" if matches else ""


def _sections(
    schema: dict[str, Any], section: dict[str, Any], keys: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str, dict[str, Any]]]:
    """Yield the keys that lead to each section, its source if it has others beside it, and the section."""
    yield keys, "", section
    for key, node in section["properties"].items():
        node = resolve(schema, node)
        if "patternProperties" in node:
            (entry,) = node["patternProperties"].values()
            yield from _sections(schema, resolve(schema, entry), (*keys, key, PLACEHOLDERS[key]))
        elif "properties" in node:
            yield from _sections(schema, node, (*keys, key))
        elif "oneOf" in node:
            for source, reference in node["discriminator"]["mapping"].items():
                yield (*keys, key), source, resolve(schema, {"$ref": reference})


def _home(schema: dict[str, Any], keys: list[Any], key: Any) -> str:
    """Return what a key is called here and where it belongs, as the end of a sentence; empty if no section has it.

    Args:
        keys: where the key was given.
    """
    for name in (USUAL_NAMES.get(str(key).lower()), key):
        homes = [
            (_common(home, keys), source == "", home, source)
            for home, source, section in _sections(schema, schema)
            if name in section["properties"]
        ]
        if homes:
            common, _, home, source = max(homes, key=itemgetter(0, 1))
            sources = " or ".join(other for *_, place, other in homes if place == home)
            parts = [f"is called {name}"] if name != key else []
            if home and common == len(home) == len(keys):
                parts += [f"needs source: {sources}"] if source else []
            elif home:
                whole = [*keys[:common], *home[common:], name]
                parts.append(f"belongs to {IN_WORDS.get(home[-1], home[-1])}: {_dotted(whole)}")
            else:
                parts.append("belongs at the top, beside experiments")
            return f"; {key} {' and '.join(parts)}"
    return ""


def _common(home: tuple[str, ...], keys: list[Any]) -> int:
    """Return how many of the first keys are those of a section."""
    pairs = zip(home, keys, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1] or pair[0] in IN_WORDS, pairs))


def explain(error: ValidationError, schema: dict[str, Any]) -> list[str]:
    """Return one line for each mistake that pydantic found: the key, the value, what is allowed.

    Args:
        error: what the check of a configuration raised.
        schema: the JSON schema of the configuration.
    """
    return [_message(schema, problem) for problem in error.errors(include_url=False)]


def _message(schema: dict[str, Any], problem: Mapping[str, Any]) -> str:
    """Return one line about one error of pydantic: key, value, what is allowed."""
    kind, location, value = problem["type"], list(problem["loc"]), problem["input"]
    if location[-1:] == ["[key]"]:
        keys, _ = _resolved(schema, location[:-2])
        return f"{_dotted(keys)}: the name {short_repr(value)} is not allowed; {_name_advice(value)}"
    if kind in ("extra_forbidden", "invalid_key"):  # the second: a key that is not text
        keys, node = _resolved(schema, location[:-1])
        if (removed := REMOVED.get((*keys[2:], location[-1]))) is not None:
            return f"{_dotted([*keys, location[-1]])}: this key was removed; {removed}"
        known = list(node["properties"])
        what = f"no such key (given {short_repr(value)})" if kind == "extra_forbidden" else "no such key"
        home = _home(schema, keys, location[-1])
        advice = home or f"; allowed are {', '.join(known)}{hint(location[-1], known)}"
        return f"{_dotted([*keys, location[-1]])}: there is {what}{advice}"
    if kind == "union_tag_invalid":
        field = problem["ctx"]["discriminator"].strip("'")
        location, value = [*location, field], value[field]
        keys, node = _resolved(schema, location[:-1])
        names = list(node["discriminator"]["mapping"])
        return _refusal([*keys, field], value, f"give one of {', '.join(names)}{hint(value, names)}")
    keys, node = _resolved(schema, location)
    if kind == "missing":
        return f"{_dotted(keys)}: missing; give {in_words(schema, node)}"
    if kind in OWN_ADVICE:
        return _refusal(keys, value, problem["msg"])
    names = node.get("enum", [node["const"]] if "const" in node else [])
    return _refusal(keys, value, f"give {in_words(schema, node)}{hint(value, names) or _as_list(node, value)}")


def _as_list(node: dict[str, Any], value: Any) -> str:
    """Return how a single value becomes a list, as the end of a sentence; empty where no list is wanted."""
    arrays = [part for part in node.get("anyOf", [node]) if part.get("type") == "array"]
    if not arrays or isinstance(value, (list, Mapping, bool)) or value is None:
        return ""
    if isinstance(value, int) and 1 < value <= LONGEST_EXAMPLE:
        return f"; write {list(range(value))} for {value} entries, or [{value}] for this one"
    return f"; write [{short_repr(value)}]"


def _refusal(keys: list[Any], value: Any, advice: str) -> str:
    return f"{_dotted(keys)}: {short_repr(value)} is not allowed; {advice}"


def _name_advice(value: Any) -> str:
    if isinstance(value, str):
        return f"it becomes a folder: give {NAME_IN_WORDS}"
    return "YAML reads it as a number, a date or a truth value: put it in quotation marks"


def _resolved(schema: dict[str, Any], location: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the keys of pydantic's `location`, without the names of alternatives in it, and the schema there."""
    keys, node = [], schema
    for step in location:
        if "discriminator" not in node:
            keys.append(step)
        node = child(schema, node, step)
    return keys, node


def _dotted(keys: list[Any]) -> str:
    return ".".join(str(key) if re.fullmatch(r"[\w-]{1,64}", str(key)) else short_repr(key) for key in keys)


def short_repr(value: Any) -> str:
    """Return a value as YAML users know it, in at most 60 characters."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "so long a number"
    return text if len(text) <= 60 else f"{text[:57]}..."
