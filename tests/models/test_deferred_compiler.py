import subprocess
import sys

import pytest

ALONE = """
import sys
from triptych.models.networks import build_network, head_tensors
build_network("resnet18", 10, 32)
head_tensors("resnet18", 10, 32)
assert "torch._dynamo" not in sys.modules
from torchvision.ops import roi_align
from torchvision.ops.roi_align import is_compile_supported
assert not is_compile_supported("meta") and "torch._dynamo" in sys.modules
import torch._dynamo.utils
assert is_compile_supported is not torch._dynamo.utils.is_compile_supported
assert is_compile_supported("cpu") == torch._dynamo.utils.is_compile_supported("cpu")
"""

COMPILER_FIRST = """
import torch._dynamo.utils
from triptych.models.backbones import torchvision
from torchvision.ops.roi_align import is_compile_supported
assert is_compile_supported is torch._dynamo.utils.is_compile_supported
"""

USED_INSIDE = """
import sys
from triptych.models.deferred_compiler import compiler_deferred
with compiler_deferred():
    from torch._dynamo.utils import is_compile_supported
    assert "torch._dynamo" not in sys.modules
    import torch._dynamo
    from torch._dynamo.utils import counters
import torch._dynamo.utils
assert torch._dynamo.utils.counters is counters and sys.modules["torch._dynamo.utils"] is torch._dynamo.utils
assert is_compile_supported("cpu") == torch._dynamo.utils.is_compile_supported("cpu")
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)) == 2
"""


EACH_IN_A_FORK = """
import os, sys, traceback
import torch
for name, code in zip(sys.argv[1::2], sys.argv[2::2]):
    child = os.fork()
    if not child:
        try:
            exec(code, {"torch": torch})
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.slow
def test_the_compiler_is_loaded_late_and_used_where_it_is_there_already():
    """Forks of a process that has imported torch alone: the tests' own may have its compiler."""
    parts = {"alone": ALONE, "compiler first": COMPILER_FIRST, "used inside": USED_INSIDE}
    call = [sys.executable, "-c", EACH_IN_A_FORK, *(text for part in parts.items() for text in part)]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"{name} 0" for name in parts], done.stderr
