import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WITHOUT_RULE = {"document_configuration", "verify"}
"""Commands that a person runs, and no workflow."""


@pytest.fixture(scope="session", autouse=True)
def package_on_the_path_of_subprocesses():
    """Commands started by tests run this checkout's package."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "workflow"), *filter(None, [os.environ.get("PYTHONPATH")])])
