import shutil
from pathlib import Path

import pytest

from triptych.storage import code_digest

PACKAGE = Path(code_digest.__file__).parents[1]


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the package, which each test leaves as it was."""
    ignore = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, tmp_path_factory.mktemp("copied") / "triptych", ignore=ignore))


@pytest.fixture
def package(copied, monkeypatch):
    """A copy of the package whose files a test may change."""
    monkeypatch.setattr(code_digest, "PACKAGE_FOLDER", copied)
    clear()
    yield copied
    clear()
    for path in copied.rglob("*.*"):
        content = (PACKAGE / path.relative_to(copied)).read_bytes()
        if path.read_bytes() != content:
            path.write_bytes(content)


def clear():
    code_digest.code_digest.cache_clear()
    code_digest._imports_of.cache_clear()


def test_the_modules_of_training_hold_the_loop_and_the_helpers_but_no_figure():
    modules = code_digest.modules_of("triptych.training.train")
    assert {"triptych", "triptych.training", "triptych.training.loop", "triptych.storage.files"} <= set(modules)
    assert not [name for name in modules if name.startswith(("triptych.figures", "triptych.report"))]


def test_evaluation_stands_on_training_and_not_the_reverse():
    opening = set(code_digest.modules_of("triptych.evaluation.open_test"))
    assert {"triptych.training.evaluate", "triptych.results.decision"} <= opening
    assert "triptych.training.loop" not in opening  # another loop opens nothing again
    for command in ("train", "pretrain_weights", "extract_features"):
        modules = code_digest.modules_of(f"triptych.training.{command}")
        assert "triptych.training.evaluate" in modules
        assert not [name for name in modules if name.startswith("triptych.evaluation")]


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ("training/loop.py", True),
        ("data/dataset.py", True),
        ("results/tables.py", True),
        ("results/schema.py", False),
        ("storage/files.py", True),
        ("figures/style.py", False),
        ("configuration/experiment.py", False),
        ("data/sources/digits.py", False),
        ("configuration/claims.py", False),
        ("wings.py", False),
        ("lecture45/claims.py", False),
        ("lecture45/schema.py", False),
    ],
)
def test_a_changed_module_changes_the_digest_of_what_imports_it(package, changed, differs):
    before = code_digest.code_digest("triptych.training.train")
    with (package / changed).open("a") as file:
        file.write("\n# changed\n")
    clear()
    assert (code_digest.code_digest("triptych.training.train") != before) is differs


@pytest.mark.parametrize(
    "block",
    [
        "def f():\n async def g():\n  {}",
        "class A:\n def f(self):\n  {}",
        "if 0: pass\nelif 0: pass\nelse:\n {}",
        "for i in []: pass\nelse:\n {}",
        "while 0:\n with f() as g:\n  {}",
        "try: pass\nexcept E: {}",
        "try: pass\nexcept* E: {}",
        "try: pass\nfinally: {}",
        "match 0:\n case 1: pass\n case _: {}",
    ],
)
def test_an_import_counts_wherever_it_is(package, block):
    (package / "version.py").write_text(block.format("from triptych.storage import locks"))
    assert "triptych.storage.locks" in code_digest.modules_of("triptych.version")


@pytest.mark.parametrize(
    ("changed", "differs"),
    [("data/sources/cifar10.py", True), ("data/cifar.py", True), ("data/sources/digits.py", False)],
)
def test_a_named_module_counts_with_what_it_imports_and_no_other_does(package, changed, differs):
    call = {"module": "triptych.data.prepare_dataset", "named": ("triptych.data.sources.cifar10",)}
    before = code_digest.code_digest(**call)
    with (package / changed).open("a") as file:
        file.write("\n# changed\n")
    clear()
    assert (code_digest.code_digest(**call) != before) is differs


@pytest.mark.parametrize(
    ("module", "named", "differs"),
    [
        ("triptych.lecture45.check_claims", (), False),
        ("triptych.report.write_configuration", ("triptych.lecture45.schema",), True),
    ],
)
def test_the_schema_of_a_wing_counts_where_it_is_named(package, module, named, differs):
    before = code_digest.code_digest(module, named=named)
    with (package / "lecture45" / "schema.py").open("a") as file:
        file.write("\n# changed\n")
    clear()
    assert (code_digest.code_digest(module, named=named) != before) is differs


def test_a_template_counts(package):
    template = package / "report" / "report.html.jinja"
    before = code_digest.code_digest("triptych.report.report", "report/report.html.jinja")
    template.write_text(template.read_text() + " ")
    clear()
    assert code_digest.code_digest("triptych.report.report", "report/report.html.jinja") != before


def test_an_unknown_module_is_an_error():
    with pytest.raises(FileNotFoundError, match=r"triptych\.nothing"):
        code_digest.code_digest("triptych.nothing")
