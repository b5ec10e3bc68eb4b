"""Columns and keys of the files of a run, for writers and readers."""

from collections.abc import Mapping

import numpy

from triptych.results.schema import COST_COLUMNS, RUN_HISTORY

HISTORY_COLUMNS = RUN_HISTORY.names
"""Of a row of history.csv, from epoch 0; the file has those of test images only if they are evaluated every epoch."""

COST_KEYS = [column.name for column in COST_COLUMNS]
"""The keys of cost.json that every run has."""

WEIGHTS_KEYS = ["file_bytes", "parameters", "head_parameters", "buffer_elements", "trained_parameters"]
"""The keys of weights.json: bytes of a file of initial weights, and numbers of elements. `parameters` includes the
head."""


def kernels_before_and_after(
    tensors: Mapping[str, numpy.ndarray], convolution: str
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return the kernels of a convolution before and after training, from the tensors of kernels.safetensors.

    `CONVOLUTION_trained` is there only if training changed them.
    """
    before = tensors[f"{convolution}_initial"]
    return before, tensors.get(f"{convolution}_trained", before)
