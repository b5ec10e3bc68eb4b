import contextlib
import gc
import json
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from tests import warm

# The same examples in every run: what passes once passes again. `--hypothesis-profile=default` looks for others.
settings.register_profile("repeatable", derandomize=True, database=None)
settings.load_profile("repeatable")

# Hundreds of processes import the package, and pytest rewrites each test: anew, where the shell forbids bytecode.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

ROOT = Path(__file__).resolve().parent.parent
WITHOUT_RULE = {
    "check",
    "clean",
    "document_architectures",
    "document_configuration",
    "evaluate",
    "export",
    "predict",
    "verify",
}
"""Commands that a person runs, and no workflow."""

WITHOUT_COMMAND = {"await_decision"}
"""Rules that only tell Snakemake what depends on what."""


@pytest.fixture(scope="session", autouse=True)
def package_on_the_path_of_subprocesses():
    """Commands started by tests run this checkout's package."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "workflow"), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk():
    """A power cut would end the tests as well, and an experiment has hundreds of files. Other processes do wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module", autouse=True)
def few_objects_to_collect():
    """What is imported is never garbage: statsmodels collects for each correction, and would look at all of it.

    Before each file, since tests import torch's compiler and sympy when others are done: 300,000 objects more.
    """
    gc.collect()  # looks only at what was made since
    gc.freeze()


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """The function that finds a fabricated experiment, or makes it."""
    from tests.fabricated import Shelf  # most tests do without it, and without pandas

    return Shelf(tmp_path_factory.mktemp("shelf"))


RECIPES = {
    "train": "Recipe",
    "pretrain_weights": "PretrainingRecipe",
    "extract_features": "FeaturesRecipe",
    "open_test": "EvaluationRecipe",
}
"""The class of the recipe of each command that has one and an execution."""


def bundled(name: str, options: dict[str, object]) -> dict[str, object]:
    """The options of a command, of which those that are keys of its recipe or its execution are put into these."""
    from triptych.training import recipe  # where this module is imported outside of tests, the package may not be found

    options = dict(options)
    kinds = {"recipe": getattr(recipe, RECIPES[name]), "execution": recipe.Execution} if name in RECIPES else {}
    for option, kind in kinds.items():
        keys = [field.name for field in fields(kind)]
        given = {key: options.pop(key) for key in keys if key in options}
        if given:
            options[option] = kind(**given)
    return options


def command(name: str, **options: object) -> list[str]:
    """The call of one of the package's commands in a process of its own; its recipe and execution may be given by key.

    A warning is an error there, as it is in the tests.
    """
    flat = []
    given = {key: value for key, value in bundled(name, options).items() if value is not None}
    for key, value in given.items():
        text = json.dumps(asdict(value)) if is_dataclass(value) else str(value)
        flat += [f"--{key.replace('_', '-')}", text]
    return [sys.executable, "-W", "error", "-m", "triptych", name.replace("_", "-"), *flat]


def without_rights():
    """What a command begins with so that the rights of files bind it: those of root do not."""
    if os.geteuid():
        return []
    call = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if not shutil.which("setpriv") or subprocess.run([*call, "true"], capture_output=True, timeout=30).returncode:
        pytest.skip("rights do not bind root, and setpriv cannot take that away here")
    return call


def limited(size: int | None):
    """The `preexec_fn` of a process in which no file may become larger than `size` bytes; None sets no limit."""
    return None if size is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


class Disk:
    """A small file system in memory: as large, and as open, as the options of `remount` say."""

    def __init__(self, folder):
        self.folder = folder

    def mount(self, options):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.folder], capture_output=True, text=True, timeout=30
        )

    def remount(self, options):
        subprocess.run(["mount", "-o", f"remount,{options}", self.folder], check=True, timeout=30)

    def unmount(self):
        subprocess.run(["umount", "--lazy", self.folder], check=True, timeout=30)


@pytest.fixture
def disk(tmp_path):
    """An empty disk of one block."""
    if not shutil.which("mount"):
        pytest.skip("there is no mount here")
    disk = Disk(tmp_path / "results")
    disk.folder.mkdir()
    mounted = disk.mount("size=4k")
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield disk
    disk.unmount()


ONE_THREAD = pytest.StashKey[bool]()
"""Whether this process computes with one thread, unless a training says otherwise: two workers have two cores."""


def pytest_configure(config):
    """Start the broker of warm processes, once for all workers. Compute with one thread in the tests' own processes."""
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        with contextlib.suppress(OSError):  # a folder whose path is too long for a socket: all begin cold
            config.add_cleanup(warm.Broker().stop)
    of_our_own = hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None)
    if of_our_own and "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = "1"
        config.stash[ONE_THREAD] = True


def pytest_collection_finish(session):
    """The libraries are imported, and have read it: processes that tests start have as many threads as a user's."""
    if session.config.stash.get(ONE_THREAD, False):
        del os.environ["OMP_NUM_THREADS"]


def pytest_sessionfinish():
    """triton, which torch's compiler imports, warns of all that is left at the end."""
    gc.unfreeze()


LONGEST = (
    "tests/workflow/test_smallest_graph.py",
    "tests/workflow/test_default_experiment.py",
    "tests/slurm/",
    "tests/notebooks/test_colab.py",
)
"""What begins first, so that no worker is left with it at the end."""


def pytest_collection_modifyitems(items):
    """Put the longest first. Refuse a test of two tiers: `-m slow` would run a long one."""
    items.sort(key=lambda item: next((n for n, name in enumerate(LONGEST) if item.nodeid.startswith(name)), 99))
    both = [item.nodeid for item in items if item.get_closest_marker("slow") and item.get_closest_marker("long")]
    if both:
        raise pytest.UsageError(f"marked slow as well as long: {', '.join(both)}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With `-n`, a worker takes whole files, whose tests share what they have made; and one takes all of SLURM's."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "tests/slurm" if file.startswith("tests/slurm/") else file

    config.option.loadscopereorder = False  # files with few tests are not the short ones
    return ByFile(config, log)
