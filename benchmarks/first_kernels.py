"""Measure whether the kernels of a network's first convolution look like filters: how alike neighbouring weights are.

    python benchmarks/first_kernels.py results/digits/weights/resnet18.safetensors

Random weights have a correlation of 0, a smooth filter one near 1.
"""

import argparse
import sys
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "workflow")]

from triptych.storage.tensors import load_metadata, load_tensors


def neighbour_correlation(weights: numpy.ndarray) -> float:
    """Return Pearson's correlation of the weights that lie side by side or one above the other in a kernel.

    All pairs of all kernels [out, in, height, width] count alike, each input channel of its own; no mean of a kernel is
    subtracted.
    """
    first = numpy.concatenate([weights[..., :, :-1].ravel(), weights[..., :-1, :].ravel()])
    second = numpy.concatenate([weights[..., :, 1:].ravel(), weights[..., 1:, :].ravel()])
    return float(numpy.corrcoef(first.astype(float), second.astype(float))[0, 1])


def first_convolution(path: Path) -> numpy.ndarray:
    """Return the weights [out, in, height, width] of the first convolution in a file of a network."""
    weights: numpy.ndarray = load_tensors(path)[load_metadata(path)["first_convolution"]]
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="weights of a network, as the workflow writes them")
    for path in parser.parse_args().files:
        print(f"{path}: {neighbour_correlation(first_convolution(path)):.3f}")


if __name__ == "__main__":
    main()
