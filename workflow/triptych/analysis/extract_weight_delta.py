"""What training changed in the weights of one run, tensor by tensor, and the first kernels before and after.

The last reader of a run's weight file: what else is needed of it later is written here, so that it can go.
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

    Those before are computed anew. The change is always after minus before, computed in float64.

    Args:
        trained: the weights of the run after training.
        pretrained: the weights that it began with, where these were not random.
        weight_delta: CSV, one row for each parameter and buffer in definition order (`change_of`).
        kernels: the first convolution and the first 3x3 convolution of the first block, `NAME_initial` and
            `NAME_trained`, float32 [out, in, height, width]; those the network lacks are left out.
        kernel_change: CSV, how much of the first convolution's change is brightness and how much colour
            (`brightness_and_colour`; both empty where nothing changed).
        weights: JSON, the size of the network: `WEIGHTS_KEYS`.

    Raises:
        InputError: a file is missing or broken, or the weights before training cannot be computed again.
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
    """Make sure that a file holds the tensors of its run's network.

    Raises:
        InputError: it has others, or of other shapes.
    """
    if after.keys() != before.keys():
        differing = ", ".join(sorted(after.keys() ^ before.keys())[:5])
        raise InputError(f"{trained}: its tensors are not those of its network (missing or unexpected: {differing})")
    for name, array in before.items():
        if array.shape != after[name].shape:
            raise InputError(f"{trained}: expected {name} {list(array.shape)}, found {list(after[name].shape)}")
