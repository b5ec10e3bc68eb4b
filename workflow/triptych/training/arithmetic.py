"""How a run computes: its device, the precision of its arithmetic, and how images lie in memory.

`float32` is the default. The others are faster where the device has units for them, and give other last bits:

- `tf32`: float32 whose products a GPU of compute capability 8 or more takes of factors rounded to ten bits;
- `bfloat16`: automatic mixed precision, on such a GPU or on a CPU with units for it;
- `float16`: the same with scaled losses, for GPUs without bfloat16 units.

Weights, their gradients, the optimiser and the losses are float32 in all of them.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import get_args

import torch

from triptych.storage.errors import InputError
from triptych.training.allocator import keep_freed_memory
from triptych.training.device import choose_device, make_deterministic
from triptych.training.recipe import Execution, FeaturesRecipe, Precision, PretrainingRecipe

MIXED = {"bfloat16": torch.bfloat16, "float16": torch.float16}
PRECISIONS = get_args(Precision)
AMPERE = (8, 0)
"""The first compute capability with units for bfloat16 and tf32. `torch.cuda.is_bf16_supported` also says yes where
bfloat16 is only emulated (pytorch issue 148322)."""


@dataclass(frozen=True)
class Arithmetic:
    """How the steps of a run are computed.

    Attributes:
        device: where.
        precision: one of `PRECISIONS`.
        channels_last: keep images and weights as [N, H, W, C] in memory, which most convolutions prefer.
        fused_optimizer: one kernel for all of Adam's arithmetic: faster, and other last bits.
        cuda_graphs: `auto`: record a training step on a GPU and replay it (`records_steps`); or `never`. The same bits.
        residency: where the images are meanwhile (`triptych.training.residency`). The same bits.
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
    def records_steps(self) -> bool:
        """Whether training steps are recorded as a CUDA graph: not with scaled losses, which Python has to look at."""
        return self.device.type == "cuda" and self.cuda_graphs == "auto" and self.precision != "float16"

    def autocast(self) -> AbstractContextManager[None]:
        """Within it, convolutions and matrix products are taken in the precision, where that is a mixed one."""
        mixed = MIXED.get(self.precision)
        return torch.autocast(self.device.type, mixed or torch.bfloat16, enabled=mixed is not None)

    def loss_scaler(self) -> torch.amp.GradScaler:
        """Scales losses, so that small gradients do not vanish in float16; does nothing for the other precisions."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "float16")


def prepare(
    recipe: FeaturesRecipe | PretrainingRecipe, execution: Execution, fused_optimizer: bool = False
) -> Arithmetic:
    """Set this process up to compute as a recipe says, on a device of its own: the same bits each time.

    It waits for a GPU where all are taken.

    Raises:
        InputError: the device or the precision cannot be had here.
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
    """Whether torch has oneDNN, and that takes products in bfloat16 here, in units of the CPU's own.

    oneDNN also says yes to every x86 CPU with AVX-512, where it emulates bfloat16 in float32.
    """
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    found = torch.cpu.get_capabilities()
    return not found["architecture"].startswith("x86") or found["avx512_bf16"] or found["amx_bf16"]


def check_precision(arithmetic: Arithmetic) -> None:
    """Make sure that the device has units for the precision: nothing else is computed silently.

    Raises:
        InputError: it has none; the message says which precisions there are here.
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
