"""How a run computes: device, precision and memory format.

`float32` is the default. The other precisions are faster on devices with units for them, and round differently:

- `tf32`: float32, but a GPU of compute capability 8 or higher rounds the factors of products to a 10-bit mantissa;
- `bfloat16`: automatic mixed precision on such a GPU, or on a CPU with bfloat16 units;
- `float16`: automatic mixed precision with loss scaling, for GPUs without bfloat16 units.

Weights, gradients, optimiser state and losses are float32 in every precision.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import get_args

import torch

from triptych.storage.errors import InputError
from triptych.training.allocator import keep_freed_memory
from triptych.training.device import choose_device, make_deterministic
from triptych.training.recipe import EvaluationRecipe, Execution, Precision, PretrainingRecipe

MIXED = {"bfloat16": torch.bfloat16, "float16": torch.float16}
PRECISIONS = get_args(Precision)
AMPERE = (8, 0)
"""The first compute capability with units for bfloat16 and tf32. `torch.cuda.is_bf16_supported` also says yes where
bfloat16 is only emulated (pytorch issue 148322)."""


@dataclass(frozen=True)
class Arithmetic:
    """How the steps of a run are computed.

    Attributes:
        device: the device that computes.
        precision: one of `PRECISIONS`.
        channels_last: store images and weights as [N, H, W, C], which is faster for most convolutions.
        fused_optimizer: run all of Adam in one kernel; faster, and rounds differently.
        cuda_graphs: `auto`: capture a training step on a GPU and replay it (`captures_steps`); or `never`. Does not
            affect results.
        residency: where the images are stored (`triptych.training.residency`). Does not affect results.
    """

    device: torch.device
    precision: Precision = "float32"
    channels_last: bool = False
    fused_optimizer: bool = False
    cuda_graphs: str = "auto"
    residency: str = "auto"

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def captures_steps(self) -> bool:
        """Whether training steps are captured as a CUDA graph; loss scaling prevents it: Python reads the scale."""
        return self.device.type == "cuda" and self.cuda_graphs == "auto" and self.precision != "float16"

    def autocast(self) -> AbstractContextManager[None]:
        """Return the autocast context of a mixed precision; it does nothing for other precisions."""
        mixed = MIXED.get(self.precision)
        return torch.autocast(self.device.type, mixed or torch.bfloat16, enabled=mixed is not None)

    def loss_scaler(self) -> torch.amp.GradScaler:
        """Return a gradient scaler for float16, where small gradients underflow; disabled for other precisions."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "float16")


def prepare(
    recipe: EvaluationRecipe | PretrainingRecipe, execution: Execution, fused_optimizer: bool = False
) -> Arithmetic:
    """Configure this process to compute deterministically as the recipe says, and claim a device.

    It waits until a GPU is free.

    Raises:
        InputError: the device or the precision is not available here.
    """
    make_deterministic(recipe.num_threads, recipe.precision == "tf32")
    keep_freed_memory()
    arithmetic = Arithmetic(
        choose_device(recipe.device, execution.jobs_per_gpu),
        recipe.precision,
        recipe.channels_last,
        fused_optimizer,
        execution.cuda_graphs,
        execution.residency,
    )
    check_precision(arithmetic)
    return arithmetic


def cpu_has_bfloat16() -> bool:
    """Whether oneDNN computes products in bfloat16 with units of this CPU.

    oneDNN itself also accepts every x86 CPU with AVX-512, where it emulates bfloat16 in float32.
    """
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    found = torch.cpu.get_capabilities()
    return not found["architecture"].startswith("x86") or found["avx512_bf16"] or found["amx_bf16"]


def check_precision(arithmetic: Arithmetic) -> None:
    """Check that the device has units for the precision. There is no silent fallback.

    Raises:
        InputError: it has none; the message lists the precisions of the device.
    """
    if arithmetic.device.type == "cuda":
        name, capability = (
            torch.cuda.get_device_name(arithmetic.device),
            torch.cuda.get_device_capability(arithmetic.device),
        )
        allowed = ["float32", "float16"] if capability < AMPERE else list(PRECISIONS)
        where = f"{name} (compute capability {capability[0]}.{capability[1]})"
    else:
        allowed = ["float32", "bfloat16"] if cpu_has_bfloat16() else ["float32"]
        where = "this CPU"
    if arithmetic.precision not in allowed:
        raise InputError(
            f"training.precision: {arithmetic.precision} cannot be computed on {where}; allowed here: "
            f"{', '.join(allowed)}"
        )
