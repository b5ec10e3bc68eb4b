"""Compute a digest of the code that a command runs, without importing it.

Snakemake does not detect changes in imported modules. So each rule has the digest of its command's module, and of
everything that this imports from the package, as a parameter, and reruns if one of them changes. A module that is
imported by a name in the settings cannot be found here, so the rule names it.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE_FOLDER = Path(__file__).parents[1]
PACKAGE = PACKAGE_FOLDER.name
DECLARATIONS = frozenset(["triptych.configuration.keys", "triptych.configuration.training"])
"""Modules that only declare. They are not part of a digest, so that a new declaration reruns nothing: the code that
uses it is in the command. A command that shows the declarations lists the file in its `data_files`. The `schema` module
of a wing (`triptych.configuration.claims`) is also excluded, unless a rule names it."""


def _file_of(module: str) -> Path | None:
    """Return the file of a dotted module name inside the package; None if there is no such module."""
    path = PACKAGE_FOLDER.parent.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _source_of(module: str) -> Path:
    """Return the file of a module of the package; raise FileNotFoundError if there is none."""
    file = _file_of(module)
    if file is None:
        raise FileNotFoundError(f"no module {module} in {PACKAGE_FOLDER}")
    return file


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Iterate over the statements of a module at any nesting depth. `ast.walk` visits twelve times as many nodes."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for block in ("body", "handlers", "orelse", "finalbody", "cases"):
            waiting.extend(getattr(node, block, ()))


@cache
def _imports_of(module: str) -> frozenset[str]:
    """Return the modules of the package in the import statements of a module, at any nesting depth."""
    found: set[str] = set()
    for node in _statements(ast.parse(_source_of(module).read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"{module}: relative imports are not allowed in {PACKAGE}; use absolute ones.")
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found.update(name for name in names if name.split(".")[0] == PACKAGE and _file_of(name))
    return frozenset(found)


def modules_of(module: str) -> list[str]:
    """Return the dotted names of `module` and of all modules of the package that it imports, sorted.

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
    """Return the first 16 hexadecimal digits of the SHA-256 of a command's code and data files.

    The code is the files of `modules_of`, without the modules that only declare.

    Args:
        module: dotted name inside the package.
        data_files: other files that the module reads, such as templates; paths relative to the folder of the package.
            They may begin with `../../`, for files of the checkout.
        named: further modules, which are imported by a name in the settings: the reader of a source of images, the
            builder of a network.

    Raises:
        FileNotFoundError: a module or data file does not exist.
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
