"""Ask pip whether the exact versions can be installed for other versions of Python, without building anything.

    python benchmarks/install.py --pythons 3.11 3.12 3.13 3.14

Each pinned version of `envs/requirements.txt` must have a wheel for this platform, but for those that have none for any
version of Python and are plain Python. Nothing is installed; some wheels are downloaded to read what they need.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "envs" / "requirements.txt"
WITHOUT_WHEEL = "connection-pool"
"""Comes as source alone, in plain Python."""


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pythons", nargs="+", default=["3.11", "3.12", "3.13", "3.14"], help="versions of Python")
    for python in parser.parse_args().pythons:
        print(f"Python {python}: {lacking(python) or 'every pinned version can be installed'}", flush=True)


if __name__ == "__main__":
    main()
