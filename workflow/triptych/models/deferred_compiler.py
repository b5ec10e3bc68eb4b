"""Import torchvision without torch's compiler.

torchvision's `roi_align` imports `torch._dynamo` for one question that only object detection asks. That is half of the
CPU time that importing torchvision takes (2 of 4 seconds). Here the compiler is imported when the question is asked.
"""

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType

_COMPILER = "torch._dynamo.utils"


@contextlib.contextmanager
def compiler_deferred() -> Iterator[None]:
    """Let modules that are imported inside import the compiler's `is_compile_supported` without the compiler."""
    if _COMPILER in sys.modules:
        yield
        return
    stand_in = ModuleType(_COMPILER)
    vars(stand_in)["is_compile_supported"] = _is_compile_supported
    sys.modules[_COMPILER] = stand_in
    try:
        yield
    finally:
        del sys.modules[_COMPILER]


def _is_compile_supported(device_type: str) -> bool:
    from torch._dynamo.utils import is_compile_supported

    return bool(is_compile_supported(device_type))
