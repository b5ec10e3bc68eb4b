"""The libraries of networks, and the facts about each architecture. A new library is added here, and nowhere else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.configuration.backbones.names import architecture_of

LIBRARIES = [
    "torchvision",
]
"""Each library's name: its facts are in `NAME.json` beside this module, which `document-architectures` writes, and the
module of that name in `triptych.models.backbones` builds its networks."""

ANY_SIZE = range(8, 1025)
"""The sizes of images (height and width in pixels) that a configuration may ask for."""


@dataclass(frozen=True)
class WeightFile:
    """The pretrained weights that a library publishes for an architecture.

    Attributes:
        url: the address of the file.
        sha256: its checksum, or as many first digits as are known.
        bytes: its size; None where it is not known.
        input_size: height and width in pixels of the images that it is for.
        mean, std: of the three channels, in units of 0..1, with which these images are normalised.
        interpolation: with which these images are resized.
    """

    url: str
    sha256: str
    bytes: int | None
    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str


@dataclass(frozen=True)
class Facts:
    """What is known of an architecture without building it.

    Attributes:
        input_sizes: the sizes of `ANY_SIZE` for which it is built and runs.
        size_dependent: whether the shapes of its tensors depend on the size of the images.
        parameters: how many it has with a head for ImageNet's 1,000 classes, without auxiliary heads.
        auxiliary: whether it can be built with auxiliary heads.
        cacheable: whether its head, one linear layer, is its last operation and its trunk draws nothing at random: what
            is before the head can then be computed once for all epochs, if BatchNorm is frozen.
        weights: the published weights; None where there are none.
    """

    input_sizes: tuple[range, ...]
    size_dependent: bool
    parameters: int
    auxiliary: bool
    cacheable: bool
    weights: WeightFile | None

    @property
    def size_of_weights(self) -> int | None:
        """The only size that the published weights fit; None where they fit any."""
        return self.weights.input_size if self.weights and self.size_dependent else None


def facts_file(library: str) -> Path:
    """Return the file that holds the facts of a library."""
    return Path(__file__).with_name(f"{library}.json")


def read_facts(path: Path) -> dict[str, Facts]:
    """Return the facts in a file, by the name that an architecture has in its library."""
    return {name: _facts(**entry) for name, entry in json.loads(path.read_text(encoding="utf-8")).items()}


def _facts(*, input_sizes: list[list[int]], weights: Mapping[str, Any] | None, **others: Any) -> Facts:
    ranges = tuple(range(first, last + 1, step) for first, last, step in input_sizes)
    return Facts(input_sizes=ranges, weights=WeightFile(**weights) if weights else None, **others)


ARCHITECTURES = {
    architecture_of(library, name): facts
    for library in LIBRARIES
    for name, facts in read_facts(facts_file(library)).items()
}
"""The facts about each architecture that a configuration may name."""
