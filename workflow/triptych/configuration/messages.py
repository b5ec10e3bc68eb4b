"""The configuration in words: what its JSON schema allows at a key, and what is wrong with what was given."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

NAME_IN_WORDS = "letters, digits, - and _ (at most 64 characters, the first a letter or a digit)"

MOST_NAMES = 12
"""So many alternatives are all named; of more, only the first few."""


def resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The schema that `node` stands for, with its reference into `schema`'s definitions followed.

    What stands beside the reference (description, default) wins over what stands in the definition.
    """
    if "$ref" not in node:
        return node
    beside = {key: value for key, value in node.items() if key != "$ref"}
    return {**schema["$defs"][node["$ref"].rpartition("/")[2]], **beside}


def child(schema: dict[str, Any], node: dict[str, Any], key: Any) -> dict[str, Any]:
    """The schema at `key` of a mapping or a list, or of the alternative called `key`; {} where there is none."""
    node = resolve(schema, node)
    if "discriminator" in node:
        reference = node["discriminator"]["mapping"].get(key)
        return resolve(schema, {"$ref": reference}) if reference else {}
    if "items" in node:
        return resolve(schema, node["items"])
    named = [*node.get("patternProperties", {}).values(), {}]
    return resolve(schema, node.get("properties", {}).get(key, named[0]))


def in_words(schema: dict[str, Any], node: dict[str, Any]) -> str:
    """What `node` allows, as the end of a sentence that begins with "give"."""
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
        case "string":
            return f"text of {node.get('minLength', 0)} to {node['maxLength']} characters"
        case "array":
            each = "different, each" if node.get("uniqueItems") else "each"
            return (
                f"a list of {node['minItems']} to {node['maxItems']} entries, {each} {in_words(schema, node['items'])}"
            )
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


def hint(name: Any, names: Iterable[str]) -> str:
    """The one of `names` that `name` is likely to be a slip of, as the end of a sentence; empty where none is."""
    if not isinstance(name, str):
        return ""
    by_small_letters = {str(known).lower(): str(known) for known in reversed(list(names))}
    matches = get_close_matches(name[:100].lower(), by_small_letters, n=1, cutoff=0.7)
    return f"; the nearest is {by_small_letters[matches[0]]}" if matches else ""


def _elsewhere(schema: dict[str, Any], location: list[Any]) -> str:
    """Where a key belongs that stands on the wrong one of the two upper levels, as the end of a sentence."""
    key = location[-1]
    if len(location) == 1 and key in schema["$defs"]["Experiment"]["properties"]:
        return f"; {key} belongs to an experiment: experiments.NAME.{key}"
    if len(location) > 1 and key in schema["properties"]:
        return f"; {key} belongs at the top, beside experiments"
    return ""


def explain(error: ValidationError, schema: dict[str, Any]) -> list[str]:
    """One line for each thing that pydantic found wrong: the key, the value, what is allowed.

    Args:
        error: what the check of a configuration raised.
        schema: the JSON schema of the configuration.
    """
    return [_message(schema, problem) for problem in error.errors(include_url=False)]


def _message(schema: dict[str, Any], problem: Mapping[str, Any]) -> str:
    """One line about one error of pydantic: key, value, what is allowed."""
    kind, location, value = problem["type"], list(problem["loc"]), problem["input"]
    if location[-1:] == ["[key]"]:
        keys, _ = _place(schema, location[:-2])
        return f"{_dotted(keys)}: the name {shown(value)} is not allowed; {_name_advice(value)}"
    if kind in ("extra_forbidden", "invalid_key"):  # the second: a key that is not text
        keys, node = _place(schema, location[:-1])
        known = list(node["properties"])
        what = f"no such key (given {shown(value)})" if kind == "extra_forbidden" else "no such key"
        advice = f"allowed are {', '.join(known)}{_elsewhere(schema, location) or hint(location[-1], known)}"
        return f"{_dotted([*keys, location[-1]])}: there is {what}; {advice}"
    if kind == "union_tag_invalid":
        field = problem["ctx"]["discriminator"].strip("'")
        location, value = [*location, field], value[field]
        keys, node = _place(schema, location[:-1])
        names = list(node["discriminator"]["mapping"])
        return _refusal([*keys, field], value, f"give one of {', '.join(names)}{hint(value, names)}")
    keys, node = _place(schema, location)
    if kind == "missing":
        return f"{_dotted(keys)}: missing; give {in_words(schema, node)}"
    if kind in ("architecture", "one_line", "path", "twice", "url", "sha256", "initial_weights"):
        return _refusal(keys, value, problem["msg"])
    names = node.get("enum", [node["const"]] if "const" in node else [])
    return _refusal(keys, value, f"give {in_words(schema, node)}{hint(value, names)}")


def _refusal(keys: list[Any], value: Any, advice: str) -> str:
    return f"{_dotted(keys)}: {shown(value)} is not allowed; {advice}"


def _name_advice(value: Any) -> str:
    if isinstance(value, str):
        return f"it becomes a folder: give {NAME_IN_WORDS}"
    return "YAML reads it as something else than text: put it in quotation marks"


def _place(schema: dict[str, Any], location: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The keys that lead to pydantic's `location`, without the names of alternatives in it, and the schema there."""
    keys, node = [], schema
    for step in location:
        if "discriminator" not in node:
            keys.append(step)
        node = child(schema, node, step)
    return keys, node


def _dotted(keys: list[Any]) -> str:
    return ".".join(str(key) if re.fullmatch(r"[\w-]{1,64}", str(key)) else shown(key) for key in keys)


def shown(value: Any) -> str:
    """A value as a reader of the message knows it, short."""
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
