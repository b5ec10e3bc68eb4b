import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WITHOUT_RULE = {"document_configuration", "verify"}
"""Commands that a person runs, and no workflow."""


@pytest.fixture(scope="session", autouse=True)
def package_on_the_path_of_subprocesses():
    """Commands started by tests run this checkout's package."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "workflow"), *filter(None, [os.environ.get("PYTHONPATH")])])


def command(name: str, **options: object) -> list[str]:
    """The call of one of the package's commands in a process of its own."""
    flat = [part for key, value in options.items() for part in (f"--{key.replace('_', '-')}", str(value))]
    return [sys.executable, "-m", "triptych", name.replace("_", "-"), *flat]
