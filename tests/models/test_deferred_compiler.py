import subprocess
import sys

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


def test_networks_are_built_without_the_compiler():
    assert subprocess.run([sys.executable, "-c", ALONE]).returncode == 0


def test_a_compiler_that_is_imported_already_is_used():
    assert subprocess.run([sys.executable, "-c", COMPILER_FIRST]).returncode == 0


def test_whoever_needs_the_compiler_meanwhile_gets_it():
    assert subprocess.run([sys.executable, "-c", USED_INSIDE]).returncode == 0
