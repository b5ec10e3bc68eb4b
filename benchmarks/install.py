"""Ask pip whether the exact versions can be installed for other versions of Python, or install and try them.

    python benchmarks/install.py --pythons 3.11 3.12 3.13 3.14
    python benchmarks/install.py --try python3.12 python3.13 --extras heic onnx

Without `--try`, each pinned version of `envs/requirements.txt` must have a wheel for this platform, but for those that
have none for any version of Python and are plain Python. Nothing is installed; some wheels are downloaded to read what
they need.

With `--try`, each interpreter gets a clean environment (about 6 GB, deleted afterwards) and a fresh clone of the last
commit: the install of the README, `triptych --help`, then tests: one small real graph, and the quick tests of some
folders. A row a version is printed, for `install.md`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "envs" / "requirements.txt"
WITHOUT_WHEEL = "connection-pool"
"""Comes as source alone, in plain Python."""
TEST_TOOLS = ("pytest", "hypothesis", "jsonschema")
TESTS = (
    "tests/workflow/test_smallest_graph.py",
    "tests/configuration/test_configuration.py",
    "tests/data/test_decoding.py",
    "tests/storage/test_files.py",
    "tests/storage/test_tensors.py",
    "tests/results",
    "tests/analysis/test_intervals.py",
    "tests/console/test_main.py",
)
OF_EXTRAS = {"onnx": ("tests/evaluation/test_export.py",), "heic": ()}
"""The tests that an extra adds; those of `heic` are in test_decoding.py, where they are skipped without it."""
# The versions are the requirements' own: a machine's constraints may not change them, and its modules are not there.
ENVIRONMENT = {"PIP_CONSTRAINT": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": ""}


def lacking(python: str, requirements: Path = REQUIREMENTS) -> str:
    """Return what pip says is missing for a version of Python; empty if everything is there."""
    with tempfile.TemporaryDirectory() as folder:
        call = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"),
            *("--only-binary=:all:", f"--no-binary={WITHOUT_WHEEL}", f"--python-version={python}"),
            *("--target", folder, "--requirement", str(requirements)),
        ]
        done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    return lines[-1].removeprefix("ERROR: ") if lines else done.stderr.strip()


def tools() -> list[str]:
    """Return the pinned versions of what the tests need."""
    lines = (ROOT / "envs" / "requirements-dev.txt").read_text().splitlines()
    return [line for line in lines if line.partition("==")[0] in TEST_TOOLS]


def tried(python: str, extras: Sequence[str], folder: Path) -> str:
    """Install everything for an interpreter into a folder, and run the tests; return a row of the table."""

    def run(*call: str) -> str:
        done = subprocess.run(
            call, cwd=folder / "triptych", env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(call)[:200]}\n{(done.stdout + done.stderr)[-4000:]}")
        return done.stdout.strip()

    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "triptych")], check=True)
    shared = ROOT.parent / "shared"  # sample data for developers; without it the tests that use it are skipped
    if shared.is_dir():
        (folder / "shared").symlink_to(shared.resolve())
    started = time.monotonic()
    run(python, "-m", "venv", str(folder / "venv"))
    inside = str(folder / "venv" / "bin")
    pip = (f"{inside}/pip", "install", "--quiet", "--no-cache-dir")
    run(*pip, "--requirement", str(folder / "triptych/envs/requirements.txt"), *tools())
    run(*pip, "--no-deps", "--no-build-isolation", "--editable", ".")
    if extras:
        run(*pip, "--editable", f".[{','.join(extras)}]")
    installed = time.monotonic()
    version = run(f"{inside}/python", "-c", "import platform; print(platform.python_version())")
    run(f"{inside}/triptych", "--help")
    more = [test for extra in extras for test in OF_EXTRAS[extra]]
    said = run(f"{inside}/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, *more).splitlines()[-1]
    minutes = [f"{seconds / 60:.1f} min" for seconds in (installed - started, time.monotonic() - installed)]
    return f"| {version} | {', '.join(extras) or 'none'} | {minutes[0]} | {minutes[1]} | {said.partition(' in ')[0]} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pythons", nargs="+", default=["3.11", "3.12", "3.13", "3.14"], help="versions of Python")
    parser.add_argument("--try", nargs="+", dest="interpreters", default=[], help="interpreters, such as python3.12")
    parser.add_argument("--extras", nargs="+", default=[], choices=sorted(OF_EXTRAS), help="with --try: extras as well")
    arguments = parser.parse_args()
    if arguments.interpreters:
        print("| Python | extras | install | tests | result |\n|---|---|---|---|---|", flush=True)
    for python in arguments.interpreters:
        with tempfile.TemporaryDirectory() as folder:
            print(tried(python, arguments.extras, Path(folder)), flush=True)
    for python in [] if arguments.interpreters else arguments.pythons:
        print(f"Python {python}: {lacking(python) or 'every pinned version can be installed'}", flush=True)


if __name__ == "__main__":
    main()
