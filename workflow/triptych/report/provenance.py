"""Provenance of results: Python, packages, the code, and the checksums of files."""

import hashlib
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import triptych
from triptych.storage.files import sha256

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "scipy",
    "statsmodels",
    "scikit-learn",
    "matplotlib",
    "pillow",
    "safetensors",
    "pydantic",
    "typer",
    "jinja2",
    "pyyaml",
    "snakemake",
)
"""The packages whose versions are recorded."""

DECIDING_PACKAGES = frozenset(PACKAGES) - {"jinja2", "pyyaml", "snakemake", "typer"}
"""Those whose version can affect results."""

PACKAGE_FOLDER = Path(triptych.__file__).parent


def package_versions() -> dict[str, str | None]:
    """Return the version of each of `PACKAGES` without importing it, or None if it is not installed.

    With conda, the rules of training have an environment of their own: what torch a run used is in its `cost.json`.
    """
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def machine() -> dict[str, str]:
    """Return the Python version, the operating system and the architecture of this machine."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.system(),
        "machine": platform.machine(),
    }


def package_digest() -> str:
    """Return the SHA-256 over every source file and template of the package: sorted names, lengths and contents."""
    digest = hashlib.sha256()
    files = (path for path in PACKAGE_FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    for name, path in sorted((path.relative_to(PACKAGE_FOLDER).as_posix(), path) for path in files):
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def file_record(path: Path) -> dict[str, Any]:
    """Return the SHA-256 and the size of a file."""
    return {"sha256": sha256(path), "bytes": path.stat().st_size}
