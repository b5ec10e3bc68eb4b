"""Every section is listed once, in one place."""

import ast
from pathlib import Path

from triptych.report.blocks import Section
from triptych.report.report import parts_of
from triptych.report.sections import registry


def test_every_section_is_listed_once():
    folder = Path(registry.__file__).parent
    declared = [
        f"{path.stem}.{node.targets[0].id}"
        for path in sorted(folder.glob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if getattr(node.value.func, "id", "") == "Section"
    ]
    items = _listed(folder / "registry.py")  # those of the wings are found by the names of the wings
    listed = [ast.unparse(item) for item in items if not isinstance(item, ast.Starred)]
    assert sorted(listed) == sorted(declared) and len(set(listed)) == len(listed) >= 10
    assert all(isinstance(section, Section) for section in registry.SECTIONS)
    assert len({section.anchor for section in registry.SECTIONS}) == len(registry.SECTIONS)


def _listed(path: Path) -> list[ast.expr]:
    (value,) = [node.value for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
    return value.elts


def test_a_section_that_has_nothing_to_say_is_left_out(results):
    anchors = [part.section.anchor for part in parts_of(results())]
    assert anchors[0] == "answer" and "comparisons" in anchors and "claims" not in anchors
    alone = results(arms=[{"name": "scratch"}])
    assert "comparisons" not in [part.section.anchor for part in parts_of(alone)]
