"""Import torchvision without torch's compiler.

torchvision's `roi_align` imports `torch._dynamo` for one question that only object detection asks. That is half of the
CPU time that importing torchvision takes (2 of 4 seconds). Here the compiler is imported when the question is asked.
"""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo.utils"


class _Deferred(ModuleType):
    """Stands in for the module: whatever else is asked of it is the real one's, which is then imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of the import system
            raise AttributeError(name)
        return getattr(self.real(), name)

    def is_compile_supported(self, device_type: str) -> bool:
        return bool(self.real().is_compile_supported(device_type))

    def real(self) -> Any:
        self.remove()
        return importlib.import_module(_COMPILER)

    def remove(self) -> None:
        if sys.modules.get(_COMPILER) is self:
            del sys.modules[_COMPILER]


@contextlib.contextmanager
def compiler_deferred() -> Iterator[None]:
    """Let modules that are imported inside import the compiler's `is_compile_supported` without the compiler."""
    if _COMPILER in sys.modules:
        yield
        return
    stand_in = sys.modules[_COMPILER] = _Deferred(_COMPILER)
    try:
        yield
    finally:
        stand_in.remove()
