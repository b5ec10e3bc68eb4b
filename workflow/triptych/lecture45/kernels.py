"""What the lecture's claims say of the pictures of kernels, as numbers that noise is known to give or not."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import comb
from pathlib import Path

import numpy

from triptych.lecture45.rules import LEVEL
from triptych.results.run_files import kernels_before_and_after
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_tensors

FIRST_CONVOLUTION, SECOND_CONVOLUTION = "first_convolution", "first_3x3_convolution"
"""The keys of a run's `kernels.safetensors`. In a ResNet they are the two convolutions that the lecture shows."""

VISIBLE = 1 / 32
"""A change that shows, as a share of the largest weight: one step of 65 colours from minus to plus that weight."""

COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Convolution:
    """The numbers of one convolution of one run; None where it is not known.

    Attributes:
        largest_weight: before training, absolute.
        structure: of the change: `neighbours_agree`.
    """

    largest_weight: float | None = None
    structure: float | None = None


@dataclass(frozen=True)
class Kernels:
    """The numbers of one run's first two convolutions; None where they are not known.

    Attributes:
        first, second: the two convolutions.
        kernels: how many the first convolution has.
        gradient_operators: how many of them are gradient operators before training (`is_gradient_operator`).
        visible: how many of them change somewhere by a step that shows.
        accents: in how many of them the largest change is in each of COLOURS; empty where they do not read RGB images.
        accent_colour: the share of these changes that is colour, 0 to 1 (as `colour_share` of `tables/kernel_change`).
    """

    first: Convolution
    second: Convolution
    kernels: int
    gradient_operators: int | None = None
    visible: int | None = None
    accents: Mapping[str, int] | None = None
    accent_colour: float | None = None


def read_kernels(path: Path) -> Kernels | None:
    """Measure the kernels of a run, from its `kernels.safetensors`; None where it has no first convolution.

    Raises:
        InputError: the file is missing.
    """
    if not path.is_file():
        raise InputError(f"{path}: missing; the claims about kernels need it")
    tensors = load_tensors(path)
    before = tensors.get(f"{FIRST_CONVOLUTION}_initial")
    if before is None:
        return None
    change = _change(tensors, FIRST_CONVOLUTION)
    step = VISIBLE * float(numpy.abs(before).max())
    accents, colour = accents_of(change) if before.shape[1] == len(COLOURS) else ({}, None)
    return Kernels(
        first=_convolution(tensors, FIRST_CONVOLUTION),
        second=_convolution(tensors, SECOND_CONVOLUTION),
        kernels=len(before),
        gradient_operators=sum(is_gradient_operator(kernel.mean(axis=0)) for kernel in before.astype(float)),
        visible=int((numpy.abs(change).max(axis=(1, 2, 3)) >= step).sum()),
        accents=accents,
        accent_colour=colour,
    )


def read_stored_kernels(path: Path) -> dict[str, list[Kernels]]:
    """Read the numbers that are known of the kernels of a stored run, by arm: JSON with the attributes of `Kernels`."""
    found = {}
    for arm, values in json.loads(path.read_text()).items():
        first, second = (Convolution(**values.pop(name, {})) for name in ("first", "second"))
        found[arm] = [Kernels(first, second, **values)]
    return found


def _change(tensors: Mapping[str, numpy.ndarray], convolution: str) -> numpy.ndarray:
    before, after = (kernels.astype(float) for kernels in kernels_before_and_after(tensors, convolution))
    change: numpy.ndarray = after - before
    return change


def _convolution(tensors: Mapping[str, numpy.ndarray], name: str) -> Convolution:
    if f"{name}_initial" not in tensors:
        return Convolution()
    largest = float(numpy.abs(tensors[f"{name}_initial"]).max())
    return Convolution(largest, neighbours_agree(_change(tensors, name)))


def neighbours_agree(change: numpy.ndarray) -> float:
    """Return how much more often neighbouring weights of a kernel change in the same direction than noise would.

    The sum of the products of neighbours (beside and below each other) over the square root of the sum of their
    squares: for independent noise, of whatever size and symmetric distribution, it has mean 0 and standard deviation 1.

    Args:
        change: [out, in, height, width].
    """
    products = numpy.concatenate(
        [
            (change[..., 1:, :] * change[..., :-1, :]).ravel(),
            (change[..., :, 1:] * change[..., :, :-1]).ravel(),
        ]
    )
    size = numpy.sqrt((products**2).sum())
    return float(products.sum() / size) if size else 0.0


def is_gradient_operator(kernel: numpy.ndarray) -> bool:
    """Return whether a kernel is an oriented wave whose weights cancel, as a gradient operator's do.

    One wave, of one frequency and one direction, holds more of the kernel's energy than noise puts there in 95 of 100
    cases (Fisher's exact test of the largest ordinate of a periodogram, 1929, in two dimensions), and more than the sum
    of the weights does.

    Args:
        kernel: [height, width], both odd: else it is none, since the test is not exact.
    """
    if kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        return False
    power = numpy.abs(numpy.fft.fft2(kernel)).ravel() ** 2
    waves = _half_plane(kernel.shape, power)
    total = waves.sum()
    # a wave has two coefficients, the sum of the weights one
    if not total or 2 * waves.max() <= power[0]:
        return False
    return fisher_p(float(waves.max() / total), len(waves)) <= LEVEL


def _half_plane(shape: tuple[int, int], power: numpy.ndarray) -> numpy.ndarray:
    """One of each pair of conjugate coefficients, without the mean."""
    height, width = shape
    grid = power.reshape(height, width)
    return numpy.concatenate([grid[1 : height // 2 + 1, 0], grid[:, 1 : width // 2 + 1].ravel()])


def fisher_p(largest: float, waves: int) -> float:
    """Return the probability that the largest of so many waves has at least this share of the energy of white noise."""
    terms = range(1, min(waves, int(1 / largest)) + 1)
    return float(sum((-1.0) ** (term - 1) * comb(waves, term) * (1 - term * largest) ** (waves - 1) for term in terms))


def accents_of(change: numpy.ndarray) -> tuple[dict[str, int], float | None]:
    """Return in how many kernels the largest change is in each colour, and the share of these changes that is colour.

    The accent of a kernel is the place that changes most. Noise puts it in each colour alike, and 2/3 of it is colour.

    Args:
        change: [out, 3, height, width].
    """
    outputs = len(change)
    places = change.reshape(outputs, len(COLOURS), -1)
    most = (places**2).sum(axis=1).argmax(axis=1)
    accents = places[numpy.arange(outputs), :, most]
    energy = (accents**2).sum()
    if not energy:
        return {}, None
    counts = Counter(COLOURS[number] for number in numpy.abs(accents).argmax(axis=1))
    grey = accents.mean(axis=1, keepdims=True)
    return {colour: counts[colour] for colour in COLOURS}, float(((accents - grey) ** 2).sum() / energy)
