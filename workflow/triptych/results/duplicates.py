"""What was found about duplicates, and whether near ones are kept together: the file `duplicates.json`."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from triptych.storage.errors import InputError
from triptych.storage.files import read_json, write_json

EXACT, NEAR = "exact", "near"
"""The kinds of pairs."""
Reason = Literal["none", "setting", "too_many_images", "too_many_candidates", "too_many_crossing"]
"""Why near-duplicates are not kept together: they are; the configuration says so; so many images have one, or so many
pairs are of two classes, that it is a property of the data set; so many hashes agree that not all were compared. Pairs
of two given splits count only for the last one."""
REASONS = get_args(Reason)
PROPERTIES = ("too_many_images", "too_many_candidates", "too_many_crossing")


@dataclass(frozen=True)
class Duplicates:
    """The content of `duplicates.json`.

    Attributes:
        setting: dataset.near_duplicates: group, report or ignore.
        images: all images.
        distinct: images of which no earlier one has the same stored pixels.
        exact_sets, exact_images: sets of images with the same stored pixels, and the images in them.
        candidates: pairs whose hashes agree.
        near_pairs: those of them whose pixels agree as well, as far as they were compared.
        near_images: distinct images in such pairs.
        near_share: near_images / distinct, 4 decimals.
        crossing_pairs: near pairs of two classes.
        crossing_share: crossing_pairs / near_pairs, 4 decimals.
        random_pairs: pairs whose correlations the threshold was taken from.
        quantile: their 99.9th percentile, 4 decimals. A near pair is above it, and at least at `correlation`.
        correlation: the least correlation of a near pair.
        complete: whether all candidates were compared. If not, near_pairs and near_images are lower bounds.
        groups: groups of near-duplicates that a drawn split keeps together.
        grouped: whether near-duplicates are kept together.
        reason: why not; none if they are.
    """

    setting: str
    images: int
    distinct: int
    exact_sets: int
    exact_images: int
    candidates: int
    near_pairs: int
    near_images: int
    near_share: float
    crossing_pairs: int
    crossing_share: float
    random_pairs: int
    quantile: float
    correlation: float
    complete: bool
    groups: int
    grouped: bool
    reason: Reason

    @property
    def is_property(self) -> bool:
        """Whether near-duplicates are a property of the data set, so that a pair of them says nothing about a leak."""
        return self.reason in PROPERTIES


def write_duplicates(path: Path, duplicates: Duplicates) -> None:
    """Write the file."""
    write_json(path, asdict(duplicates))


def read_duplicates(path: Path) -> Duplicates:
    """Read the file.

    Raises:
        InputError: it is missing, is no JSON, lacks a key, or has an unknown reason.
    """
    names = [field.name for field in fields(Duplicates)]
    content: dict[str, Any] = read_json(path, names)
    if content["reason"] not in REASONS:
        raise InputError(f"{path}: reason {content['reason']!r} is none of {', '.join(REASONS)}.")
    return Duplicates(**{name: content[name] for name in names})
