"""A key of the recipe is added to a copy of the checkout, and a default is changed: what runs again on a finished tree,
and where the new key appears."""

import json
import re
import subprocess
import sys

import pandas
import pytest

from tests.conftest import bundled
from tests.training.conftest import make_split, short_run
from tests.workflow.conftest import WHOLE, jobs_of, rules_of, snakemake
from tests.workflow.test_rerun import ARMS, dry_run, runs_of
from tests.workflow.test_rerun_modules import with_followers
from triptych.data.dataset import save_split
from triptych.storage.code_digest import modules_of
from triptych.storage.tensors import load_tensors

pytestmark = pytest.mark.slow

DECLARATION = "workflow/triptych/configuration/training.py"
KEY = """\
    "weight_decay": Key(
        "number",
        0.0,
        "Share of each weight that Adam adds to its gradient.",
        title="weight decay",
        bounds={"ge": 0, "le": 1},
        neutral=0.0,
        used_by=TRAINS,
    ),
"""
CONSUMER = {
    "workflow/triptych/training/recipe.py": (
        "    patience: int | None = None\n",
        "    patience: int | None = None\n    weight_decay: float = 0.0\n",
    ),
    "workflow/triptych/training/loop.py": (
        "            lr=recipe.learning_rate,\n",
        "            lr=recipe.learning_rate,\n            weight_decay=recipe.weight_decay,\n",
    ),
}
SHOWS_RECIPES = "write_configuration collect_validation collect_results report"


@pytest.fixture
def edit(checkout):
    """A function that replaces text in a file of the copy; afterwards the files are what they were."""
    before = {}

    def replace(file, old, new):
        path = checkout / file
        text = path.read_text()
        before.setdefault(path, text)
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))

    yield replace
    for path, text in before.items():
        path.write_text(text)


@pytest.fixture
def declared(edit):
    """The copy declares a key more."""
    edit(DECLARATION, '    "cuda_graphs": Key(\n', f'{KEY}    "cuda_graphs": Key(\n')


@pytest.fixture
def consumed(declared, edit):
    """The copy trains with the key, too."""
    for file, (old, new) in CONSUMER.items():
        edit(file, old, new)


def trained(result) -> set[tuple[str, str]]:
    """The arm and the seed of each training that a dry run lists."""
    wildcards = [job["wildcards"] for job in jobs_of(result) if job["rule"] == "train"]
    jobs = [dict(part.split("=") for part in text.split(", ")) for text in wildcards]
    return {(job["arm"], job["run"].removeprefix("seed")) for job in jobs}


def parameters(folder, checkout, rule) -> set[str]:
    """The options of a command in a dry run of everything; the digest of its code is none of them."""
    call = ["--configfile", "tiny.yaml", "--dry-run", "--forceall", "--printshellcmds"]
    said = snakemake(*call, directory=folder, checkout=checkout).stdout
    commands = re.findall(rf"python -m triptych {rule} (.*?) >logs/", said, flags=re.S)
    assert commands
    return set(commands)


def test_the_declaration_is_no_code_of_a_command_s(finished, checkout, edit):
    assert "triptych.configuration.training" in modules_of("triptych.training.train")  # it reads tables' columns
    edit(DECLARATION, "Adam's learning rate.", "The learning rate of Adam.")
    assert set(rules_of(dry_run(finished, checkout))) == with_followers("check_claims compare_full_run report")


def test_a_new_key_makes_only_what_shows_recipes(finished, checkout, declared):
    assert set(rules_of(dry_run(finished, checkout))) == with_followers(SHOWS_RECIPES)


def test_with_its_consumer_only_code_differs(finished, checkout, consumed, edit):
    """Whose code reads the key runs again, since its code is another one; no command is given anything else."""
    rules = set(rules_of(dry_run(finished, checkout)))
    assert {"train", "pretrain_weights"} < rules
    with_key = {name: parameters(finished, checkout, name) for name in ("train", "pretrain-weights")}
    for file, (old, new) in {**CONSUMER, DECLARATION: ("", KEY)}.items():
        edit(file, new, old)
    assert with_key == {name: parameters(finished, checkout, name) for name in with_key}


def test_another_default_trains_what_had_it(finished, checkout, edit):
    edit(DECLARATION, "        1e-4,\n", "        2e-4,\n")
    result = dry_run(finished, checkout)
    own = {arm for arm in ARMS if "learning_rate" in ARMS[arm].get("training", {})}
    assert own and trained(result) == runs_of(set(ARMS) - own)
    first = f"{SHOWS_RECIPES} train time_backward check_claims compare_full_run"
    assert set(rules_of(result)) == with_followers(first)


def test_another_default_of_the_execution_makes_nothing_but_what_shows_it(finished, checkout, edit):
    edit(DECLARATION, '        10,\n        "The longest time', '        20,\n        "The longest time')
    shows_declarations = "write_configuration check_claims compare_full_run report"
    assert set(rules_of(dry_run(finished, checkout))) == with_followers(shows_declarations)


def triptych(checkout, *arguments) -> str:
    """Run a command of the copy; return what it says."""
    call = [sys.executable, "-m", "triptych", *map(str, arguments)]
    environment = {"PYTHONPATH": str(checkout / "workflow"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=900, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def weights_after(checkout, folder, recipe) -> bytes:
    """The last layer after a short training by the copy."""
    for name, images, seed in (("train", 50, 1), ("validation", 9, 2), ("test", 20, 3)):
        save_split(folder / f"{name}.safetensors", make_split(images, seed))
    options = bundled("train", short_run(folder, folder) | {"epochs": 1, "pretrained": None})
    del options["pretrained"]
    values = {**json.loads(json.dumps(vars(options.pop("recipe")))), **recipe}
    call = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    triptych(checkout, "train", *call, "--recipe", json.dumps(values))
    return load_tensors(options["trained"])["fc.weight"].tobytes()


def test_a_new_key_is_everywhere_and_changes_a_result(finished, checkout, consumed, tmp_path):
    assert "weight_decay (a number; default 0.0)" in " ".join(triptych(checkout, "train", "--help").split())
    schema, readme = checkout / "config" / "schema.json", checkout / "config" / "README.md"
    triptych(checkout, "document-configuration", "--schema", schema, "--readme", readme)
    assert '"weight_decay": {' in schema.read_text()
    assert "| `weight_decay` | a number from 0 to 1 | `0.0` | Share of each weight" in readme.read_text()

    plain, neutral, decayed = (
        weights_after(checkout, tmp_path, recipe) for recipe in ({}, {"weight_decay": 0.0}, {"weight_decay": 0.5})
    )
    assert plain == neutral != decayed


def test_a_new_key_is_in_the_tables_and_the_report(finished, checkout, declared):
    """Last of all, since it makes them anew."""
    folder = finished / "results" / "tiny"
    before = pandas.read_csv(folder / "tables" / "arms.csv", dtype=str)
    targets = ["results/tiny/tables/arms.csv", "results/tiny/config.yaml", "--cores", "2", "--configfile", "tiny.yaml"]
    snakemake(*targets, directory=finished, checkout=checkout)
    arms = pandas.read_csv(folder / "tables" / "arms.csv", dtype=str)
    assert list(arms.columns) == [*before.columns, "weight_decay"]
    assert arms[before.columns].equals(before)
    assert arms["weight_decay"].tolist() == ["0.0"] * len(WHOLE["arms"])
    assert "weight_decay: 0.0" in (folder / "config.yaml").read_text()
    arms.loc[0, "weight_decay"] = "0.1"  # a key that is off in all arms is not shown
    arms.to_csv(folder / "tables" / "arms.csv", index=False)
    page = folder / "report.html"
    triptych(checkout, "report", "--experiment", "tiny", "--experiment-folder", folder, "--output", page)
    shown = page.read_text().count("weight decay")
    assert shown >= 2  # in the table of recipes, and where that is explained
