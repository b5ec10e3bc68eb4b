"""The documentation of the configuration, generated from its model: a JSON schema for editors, tables for readers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from triptych.configuration.arm import ArmModel, ArmTraining
from triptych.configuration.experiment import Configuration
from triptych.configuration.messages import in_words, resolve
from triptych.storage.errors import InputError
from triptych.storage.files import write_text

BEGIN = "<!-- begin of what `python -m triptych document-configuration` writes -->"
END = "<!-- end of what `python -m triptych document-configuration` writes -->"
OVERRIDES = (ArmModel.__name__, ArmTraining.__name__)
PLACEHOLDERS = {"experiments": "<name>", "arms": "<arm>"}


def document_configuration(*, schema: Path, readme: Path) -> None:
    """Write the JSON schema of the configuration, and its tables into the README beside it.

    Args:
        schema: the JSON file to write.
        readme: a Markdown file; the text between its two marks (`BEGIN` and `END`, each on a line) is replaced.

    Raises:
        InputError: `readme` is missing or lacks the marks.
    """
    described = Configuration.model_json_schema()
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{readme}: the tables go between two lines that are not there: {BEGIN} and {END}")
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    write_text(schema, json.dumps({**dialect, **described}, indent=2, ensure_ascii=False) + "\n")
    write_text(readme, f"{before}{begin}\n\n{tables(described)}\n{end}{after}")


def tables(schema: dict[str, Any]) -> str:
    """One Markdown table for each section of the configuration: key, what is allowed, default, meaning."""
    parts = []
    for path, node in _sections(schema, schema, ""):
        parts.append(f"### {f'`{path}`' if path else 'At the top'}\n\n{node['description']}\n\n")
        parts.append("| key | allowed | default | meaning |\n|---|---|---|---|\n")
        parts.extend(f"| {' | '.join(row)} |\n" for row in _rows(schema, node))
        parts.append("\n")
    return "".join(parts).rstrip()


def _rows(schema: dict[str, Any], section: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for key, node in section["properties"].items():
        node = resolve(schema, node)
        allowed = in_words(schema, node)
        if key in section.get("required", ()):
            default = "none, must be given"
        elif "x-default" in node:
            default = node["x-default"]
        elif "oneOf" in node:
            default = f"`{json.dumps(node['default'])}`"
        elif _is_section(node):
            allowed, default = "the keys of its table", "the defaults of its table"
        elif node.get("title") in OVERRIDES:
            default = f"the experiment's `{key}`"
        else:
            default = f"`{json.dumps(node['default'], ensure_ascii=False)}`"
        yield f"`{key}`", allowed, default, node["description"]


def _is_section(node: dict[str, Any]) -> bool:
    """Whether a key has a table of its own."""
    mapping = "properties" in node or "patternProperties" in node or "oneOf" in node
    return mapping and node.get("title") not in OVERRIDES


def _sections(schema: dict[str, Any], section: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every section below `section` and itself, each with its dotted path."""
    yield path, section
    for key, node in section["properties"].items():
        node = resolve(schema, {"$ref": node["$ref"]} if "$ref" in node else node)  # described by itself
        below = f"{path}.{key}" if path else key
        if "$ref" in node.get("items", {}):  # a list of sections
            yield from _sections(schema, resolve(schema, node["items"]), f"{below}[]")
        if not _is_section(node):
            continue
        if "oneOf" in node:
            for name, reference in node["discriminator"]["mapping"].items():
                alternative = resolve(schema, {"$ref": reference})
                yield f"{below}` with `{node['discriminator']['propertyName']}: {name}", alternative
        elif "patternProperties" in node:
            (entry,) = node["patternProperties"].values()
            yield from _sections(schema, resolve(schema, entry), f"{below}.{PLACEHOLDERS[key]}")
        else:
            yield from _sections(schema, node, below)
