"""A source of images, a library of networks and a wing are added to a copy of the checkout: the files that it takes,
and that the copy then works with them."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import command
from tests.workflow.conftest import rules_of, snakemake, write_configuration
from triptych.data.dataset import load_split

SECTION = '''\
"""Squares of one colour: what the configuration knows of them."""

from typing import Literal

from pydantic import Field

from triptych.configuration.source import Source
from triptych.configuration.values import OptionalWhole, Seed, Whole


class SquaresDataset(Source):
    """Squares of one colour, a little different each, in three classes; drawn here."""

    source: Literal["squares"] = Field("squares", description="The data set: squares of one colour.")
    side: Whole = Field(8, ge=1, le=64, description="Height and width in pixels.")
    train_per_class: Whole = Field(5, ge=1, le=100, description="Training images of each class.")
    validation_per_class: Whole = Field(2, ge=0, le=100, description="Validation images of each class; 0 for none.")
    test_per_class: OptionalWhole = Field(None, description="Test images of each class; null for all the rest.")
    seed: Seed = Field(0, description="Decides which image goes into which split.")

    def training_images(self) -> int:
        return 3 * self.train_per_class

    def has_validation(self) -> bool:
        return self.validation_per_class > 0

    def enough_validation(self) -> str:
        return "validation_per_class: 2"


SECTION = SquaresDataset
'''
READER = '''\
"""Squares of one colour, a little different each, drawn in three classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from triptych.data.source import SourceImages, setting


def read(settings: Mapping[str, Any], files: Sequence[Path]) -> SourceImages:
    side = setting(settings, "side")
    labels = numpy.arange(30) % 3
    noise = numpy.random.default_rng(0).integers(0, 100, (30, side, side, 3))
    images = (noise + 150 * numpy.eye(3)[labels][:, None, None]).astype(numpy.uint8)
    names = [f"square-{number:02d}" for number in range(30)]
    return SourceImages(images, labels, ["red", "green", "blue"], names, [""] * 30)
'''
LIBRARY = '''\
"""A library of one small network."""

from collections.abc import Iterable

import torch

from triptych.models.backbone import PublishedWeights
from triptych.storage.errors import InputError


def names() -> list[str]:
    return ["tiny"]


def build(name: str, num_classes: int, input_size: int, auxiliary: bool = False) -> torch.nn.Module:
    if auxiliary:
        raise InputError(f"{name}: has no auxiliary head")
    layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)]
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(4, num_classes))


def input_sizes(name: str, sizes: range) -> Iterable[int] | None:
    return None


def weights(name: str) -> PublishedWeights | None:
    return None


def blocks(network: torch.nn.Module) -> dict[str, list[str]]:
    return {"0": ["0.weight", "0.bias", "1.weight", "1.bias"], "5": ["5.weight", "5.bias"]}
'''
WING = {
    "__init__.py": '"""Lecture 46: nothing but how many images it would take."""\n',
    "requirements.py": '''\
"""What the configuration knows of the lecture."""

DESCRIPTION = "count the images of lecture 46; it needs an arm called frozen"
TEST = "after_decision"
ARMS = {"frozen": {"weights": "pretrained", "train": "head"}}
''',
    "schema.py": '''\
"""The table that only experiments with `claims: lecture46` have."""

from triptych.results.schema import Table, whole

LESSONS = Table(
    "lessons",
    "count_lessons",
    "images of all splits",
    "the one count",
    (whole("images", "Images of all splits."),),
    category="Lecture 46",
    of_claims=True,
    needs_runs=False,
)
TABLES = {"lessons": LESSONS}
''',
    "catalogue.py": '"""No figures."""\n\nFIGURES = {}\n',
    "sections.py": '"""No sections."""\n\nSECTIONS = ()\n',
    "count_lessons.py": '''\
"""How many images there are."""

from pathlib import Path

import pandas

from triptych.lecture46.schema import LESSONS
from triptych.results import schema
from triptych.results.tables import read_table, save_table


def count_lessons(*, sizes: Path, lessons: Path) -> None:
    """Count the images of all splits."""
    save_table(lessons, pandas.DataFrame({"images": [read_table(sizes, schema.SIZES)["images"].sum()]}), LESSONS)
''',
}
WING_RULES = """\
rule count_lessons:
    input:
        sizes="<results>/{experiment}/data/sizes.csv",
    output:
        **tables_of("count_lessons"),
    log:
        "<logs>/count_lessons/{experiment}.log",
    params:
        caption=tables_caption("count_lessons"),
        code=code("lecture46.count_lessons"),
    shell:
        "python -m triptych count-lessons --sizes {input.sizes:q} --lessons {output.lessons:q} > {log:q}"
"""
pytestmark = pytest.mark.slow

EXPERIMENT = {
    "dataset": {"source": "squares", "side": 12},
    "model": {"architecture": "toy/tiny", "input_size": 16},
    "weights": {"source": "letters", "train_images": 26, "validation_images": 26, "epochs": 1},
    "training": {"epochs": 1, "num_threads": 1, "device": "cpu"},
    "arms": {
        "scratch": {"weights": "random"},
        "frozen": {"weights": "pretrained", "train": "head", "batchnorm": "frozen"},
    },
}


def contents(checkout: Path) -> dict[str, bytes]:
    """Every file of a checkout that is not made by running it."""
    files = [path for path in checkout.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(checkout).as_posix(): path.read_bytes() for path in files}


def add_line(path: Path, before: str, line: str) -> None:
    """Add a line to a file, before another one."""
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, line + before))


def run(checkout: Path, name: str, **options) -> str:
    """Run one of the package's commands in a checkout; return what it says."""
    environment = {"PYTHONPATH": str(checkout / "workflow")}
    call = command(name, **options)
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def added(checkout):
    """The copy with all three, and what each addition changed: the new files, and the others with the lines added."""
    package, changes = checkout / "workflow" / "triptych", {}

    def change(what, function):
        before = contents(checkout)
        function()
        after = contents(checkout)
        assert before.keys() <= after.keys()
        edited = {
            name: sorted(set(after[name].splitlines()) - set(before[name].splitlines()))
            for name in before
            if after[name] != before[name]
        }
        changes[what] = (sorted(after.keys() - before.keys()), edited)

    def source():
        (package / "configuration/sources/squares.py").write_text(SECTION)
        (package / "data/sources/squares.py").write_text(READER)
        add_line(package / "configuration/sources/registry.py", ')\n"""Each source', '    "squares",\n')

    def library():
        (package / "models/backbones/toy.py").write_text(LIBRARY)
        run(checkout, "document_architectures", library="toy", facts=package / "configuration/backbones/toy.json")
        add_line(package / "configuration/backbones/registry.py", ']\n"""Each library', '    "toy",\n')

    def wing():
        (package / "lecture46").mkdir()
        for name, text in WING.items():
            (package / "lecture46" / name).write_text(text)
        (checkout / "workflow/rules/lecture46.smk").write_text(WING_RULES)
        add_line(package / "configuration/claims.py", ')\n"""The name of each wing', '    "lecture46",\n')

    change("source", source)
    change("library", library)
    change("wing", wing)
    return checkout, changes


def test_a_source_takes_two_modules_and_a_line(added):
    files, edited = added[1]["source"]
    assert files == [f"workflow/triptych/{side}/sources/squares.py" for side in ("configuration", "data")]
    assert edited == {"workflow/triptych/configuration/sources/registry.py": [b'    "squares",']}


def test_a_library_takes_a_module_its_facts_and_a_line(added):
    files, edited = added[1]["library"]
    assert files == [
        "workflow/triptych/configuration/backbones/toy.json",
        "workflow/triptych/models/backbones/toy.py",
    ]
    assert edited == {"workflow/triptych/configuration/backbones/registry.py": [b'    "toy",']}
    (facts,) = json.loads((added[0] / files[0]).read_text()).values()
    assert facts == {
        "input_sizes": [[8, 1024, 1]],
        "size_dependent": False,
        "parameters": 4 * 27 + 4 + 8 + 5000,
        "auxiliary": False,
        "cacheable": True,
        "weights": None,
    }


def test_a_wing_takes_a_folder_a_file_of_rules_and_a_line(added):
    files, edited = added[1]["wing"]
    assert files == ["workflow/rules/lecture46.smk", *(f"workflow/triptych/lecture46/{name}" for name in sorted(WING))]
    assert edited == {"workflow/triptych/configuration/claims.py": [b'    "lecture46",']}


def test_an_experiment_with_its_claims_has_its_table(added, tmp_path):
    """The rule really makes it; other experiments know nothing of it, and trainings are the same."""
    checkout, plans = added[0], {}
    for claims in ("none", "lecture46"):
        path = write_configuration(tmp_path, {**EXPERIMENT, "claims": claims}, name=claims)
        call = ["--configfile", path]
        plans[claims] = rules_of(snakemake("--dry-run", *call, directory=tmp_path, checkout=checkout).stdout)
    assert plans["lecture46"] - plans["none"] == {"count_lessons": 1}
    table = "results/lecture46/tables/lessons.csv"
    snakemake(table, "--cores", "1", *call, directory=tmp_path, checkout=checkout)
    assert (tmp_path / table).read_text() == "images\n30\n"


def test_an_experiment_with_both_is_planned_and_begins(added, tmp_path):
    """The images are really prepared and the network is described, by the rules and by hand."""
    checkout, _ = added
    path = write_configuration(tmp_path, EXPERIMENT)
    call = ["--configfile", path]
    rules = rules_of(snakemake("--dry-run", *call, directory=tmp_path, checkout=checkout).stdout)
    assert (rules["train"], rules["extract_features"], rules["pretrain_weights"]) == (2, 1, 1)
    described = "results/tiny/models/toy/tiny_16/totals.json"
    targets = [described, "results/tiny/data/sizes.csv"]
    snakemake(*targets, "--cores", "1", *call, directory=tmp_path, checkout=checkout)
    split = load_split(tmp_path / "results/tiny/data/train.safetensors")
    assert (split.images.shape, split.classes) == ((15, 12, 12, 3), ["red", "green", "blue"])
    outputs = {name: tmp_path / name for name in ("layers", "printout", "totals", "memory")}
    data = tmp_path / "results/tiny/data/train.safetensors"
    run(checkout, "describe_model", architecture="toy/tiny", input_size=16, train_data=data, **outputs)
    assert outputs["totals"].read_bytes() == (tmp_path / described).read_bytes()
    assert json.loads(outputs["totals"].read_text())["head_parameters"] == 15
