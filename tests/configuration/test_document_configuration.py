"""The schema and the tables are those of the configuration model."""

import json
from pathlib import Path

import pytest

from triptych.configuration.document_configuration import BEGIN, END, document_configuration
from triptych.configuration.experiment import Configuration
from triptych.storage.errors import InputError

FOLDER = Path(__file__).parents[2] / "config"
COMMAND = "python -m triptych document-configuration --schema config/schema.json --readme config/README.md"


def test_the_committed_files_are_up_to_date(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_bytes((FOLDER / "README.md").read_bytes())
    document_configuration(schema=tmp_path / "schema.json", readme=readme)
    for name in ("schema.json", "README.md"):
        assert (tmp_path / name).read_text() == (FOLDER / name).read_text(), f"config/{name} is out of date: {COMMAND}"


def test_the_tables_replace_the_text_between_the_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    document_configuration(schema=tmp_path / "schema.json", readme=readme)
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "\nold\n" not in text
    document_configuration(schema=tmp_path / "schema.json", readme=readme)
    assert readme.read_text() == text


def test_every_key_has_a_row(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}\n{END}\n")
    document_configuration(schema=tmp_path / "schema.json", readme=readme)
    text = readme.read_text()
    schema = json.loads((tmp_path / "schema.json").read_text())
    assert schema["$defs"].keys() == Configuration.model_json_schema()["$defs"].keys()
    for name, section in schema["$defs"].items():
        if name not in ("ArmModel", "ArmTraining"):
            rows = [f"| `{key}` | " for key in section["properties"]]
            assert "\n".join(rows) in "\n".join(line[: line.find("|", 2) + 2] for line in text.splitlines()), name
    assert "| `batch_size` | a whole number from 1 to 1000000 | `32` | Images in a training batch. |" in text


@pytest.mark.parametrize("text", [None, "no marks\n", f"{BEGIN}\n", f"{END}\n{BEGIN}\n"])
def test_a_readme_without_the_marks_is_refused(tmp_path, text):
    readme = tmp_path / "README.md"
    if text is not None:
        readme.write_text(text)
    with pytest.raises(InputError, match=r"README\.md: the tables go between two lines"):
        document_configuration(schema=tmp_path / "schema.json", readme=readme)
    assert not (tmp_path / "schema.json").exists()
