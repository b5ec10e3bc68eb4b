"""A digest of the code that a command runs, found without importing it.

Snakemake does not notice a changed imported module. The digest of a command's module and of everything it imports
inside the package is therefore a parameter of its rule, and a change of any of them runs the rule again. A module that
only some settings need is imported by its name, which is not seen here: the rule names it.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE_FOLDER = Path(__file__).parents[1]
PACKAGE = PACKAGE_FOLDER.name
DECLARATIONS = frozenset(["triptych.configuration.keys", "triptych.configuration.training"])
"""Modules that only declare. They are no part of a digest, so that a declaration that is added runs nothing again: what
a command does with it is in the command's code. What shows the declarations names the file among its `data_files`. The
schema of a wing (`triptych.configuration.claims`) is one, too, but for those who name it."""


def _file_of(module: str) -> Path | None:
    """The file of a dotted module name inside the package, or None where there is no such module."""
    path = PACKAGE_FOLDER.parent.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _source_of(module: str) -> Path:
    """The file of a module of the package, which must be there."""
    file = _file_of(module)
    if file is None:
        raise FileNotFoundError(f"no module {module} in {PACKAGE_FOLDER}")
    return file


@cache
def _imports_of(module: str) -> frozenset[str]:
    """The modules of the package that a module names in its import statements, at any depth of its code."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(_source_of(module).read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"{module}: relative imports are not used in {PACKAGE}")
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found.update(name for name in names if name.split(".")[0] == PACKAGE and _file_of(name))
    return frozenset(found)


def modules_of(module: str) -> list[str]:
    """The dotted names of `module` and of every module of the package that it needs, sorted.

    Packages count as modules: importing `triptych.data.dataset` also runs `triptych/__init__.py` and
    `triptych/data/__init__.py`.
    """
    needed, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        waiting.extend(_imports_of(name))
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return sorted(needed)


def _only_declares(module: str) -> bool:
    return module in DECLARATIONS or module.endswith(".schema")


@cache
def code_digest(module: str, *data_files: str, named: tuple[str, ...] = ()) -> str:
    """The first 16 hexadecimal digits of a SHA-256 over the files of `modules_of` that do not only declare, and over
    `data_files`.

    Args:
        module: dotted name inside the package.
        data_files: what the module reads beside code, such as templates; paths relative to the package's folder (of the
            checkout as well, behind `../../`).
        named: further modules, which the settings name and `module` imports only then: the reader of a source of
            images, the builder of a network.

    Raises:
        FileNotFoundError: there is no such module or data file.
    """
    digest = hashlib.sha256()
    modules = sorted({needed for name in (module, *named) for needed in modules_of(name)})
    sources = [_source_of(name) for name in modules if name in named or not _only_declares(name)]
    files = sources + [PACKAGE_FOLDER / name for name in data_files]
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(PACKAGE_FOLDER).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
