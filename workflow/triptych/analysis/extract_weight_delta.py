"""Extract the weight changes of one run by tensor, and the first kernels before and after training.

This is the last reader of the weight file of a run. Everything that is needed later is written here, so that the file
can be deleted.
"""

from pathlib import Path

from triptych.analysis.weight_changes import Tensors, write_changes
from triptych.models.initialise_model import initial_weights
from triptych.models.tensor_layout import layout_of
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors


def extract_weight_delta(
    *,
    trained: Path,
    pretrained: Path | None = None,
    weight_delta: Path,
    kernels: Path,
    kernel_change: Path,
    weights: Path,
) -> None:
    """Compare the weights of one run before and after training.

    The initial weights are recomputed. A change is always after minus before, in float64.

    Args:
        trained: the weights of the run after training.
        pretrained: the pretrained weights of the run; without it, the initial weights are random.
        weight_delta: CSV with one row per parameter and buffer, in definition order (`change_of`).
        kernels: the first convolution and the first 3x3 convolution of the first block, `NAME_initial` and
            `NAME_trained`, float32 [out, in, height, width]; without those that the network lacks, and without
            `NAME_trained` if training did not change it.
        kernel_change: CSV, the shares of brightness and colour in the change of the first convolution
            (`brightness_and_colour`; both empty if nothing changed).
        weights: JSON, the size of the network: `WEIGHTS_KEYS`.

    Raises:
        InputError: a file is missing or invalid, or the initial weights cannot be reproduced.
    """
    before, metadata = initial_weights(trained, pretrained)
    after = load_tensors(trained)
    check_same_tensors(trained, before, after)
    write_changes(
        metadata,
        layout_of(metadata),
        load_metadata(trained)["run"]["trained"]["parameters"],
        before,
        after,
        weight_delta=weight_delta,
        kernels=kernels,
        kernel_change=kernel_change,
        weights=weights,
    )


def check_same_tensors(trained: Path, before: Tensors, after: Tensors) -> None:
    """Check that a file has the tensors of the network of its run.

    Raises:
        InputError: a tensor is missing, is unexpected, or has a wrong shape.
    """
    if after.keys() != before.keys():
        differing = ", ".join(sorted(after.keys() ^ before.keys())[:5])
        raise InputError(f"{trained}: the tensors are not those of the network (missing or unexpected: {differing}).")
    for name, array in before.items():
        if array.shape != after[name].shape:
            raise InputError(f"{trained}: expected {name} {list(array.shape)}, found {list(after[name].shape)}.")
