"""Find images that are nearly the same, and decide whether that can be used to keep them together.

- A candidate is a pair whose two hashes (`triptych.data.renditions`) both differ in few bits.
- The pixels of a candidate agree if their correlation after the best small shift is at least `CORRELATION`.
- It is a near-duplicate if the correlation is also above that of nearly all pairs of the set.
- Groups are complete links: every image of a group is a near-duplicate of every other one. Chains join what differs.
- Where many images are in pairs whose pixels agree, or many pairs are of two classes, it is a property of the set (a
  fixed camera, X-rays), and nothing is grouped.

All arithmetic that decides is of whole numbers, so that every machine finds the same pairs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy

PHASH_BITS, DHASH_BITS = 8, 10
"""The most bits, of 64, in which the hashes of a candidate differ."""
CORRELATION = 0.98
"""The least correlation of the pixels of a near-duplicate."""
PERCENTILE = 0.999
"""A near-duplicate's correlation is above this quantile of those of random pairs."""
SMOOTHINGS = 4
"""Times that a picture is smoothed by (1, 2, 1) before it is compared. Without it, 26 of 60 photographs that were
cropped by 1 % a side, and 2 of 60 cropped by 2 %, correlate with the whole ones by 0.98 or more; with it 60 and 30."""
LEVELS = 16
"""Steps of a smoothed grey value: sums of products of smoothed values stay exact."""
SHIFT = 2
"""Pixels, of 64, by which a picture is shifted at most when it is compared."""
RANDOM_PAIRS = 5_000
MOST_GROUPED = 0.05
"""The share of images with a near-duplicate above which it is a property of the set."""
ALWAYS_GROUPED = 10
"""So many images may be grouped whatever their share is: a few pairs are no property."""
MOST_CROSSING = 0.2
"""The share of pairs of two classes above which it is a property of the set."""
FEW_PAIRS = 10
"""With fewer pairs, those of two classes are mistakes in labels rather than a property."""

ROWS, COLUMNS = 64, 4096
"""Of a block of pairs whose hashes are compared at once: they fit into a core's cache."""
AT_ONCE = 64
"""Pictures whose pixels are handled at once."""


@dataclass(frozen=True)
class Candidates:
    """Pairs of images whose hashes agree.

    Attributes:
        first, second: int64 [P], positions of images; first < second.
        phash, dhash: int64 [P], bits in which they differ.
        complete: False if there were more than `limit` and the search ended.
    """

    first: numpy.ndarray
    second: numpy.ndarray
    phash: numpy.ndarray
    dhash: numpy.ndarray
    complete: bool

    def __len__(self) -> int:
        return len(self.first)


def as_numbers(hashes: Sequence[str]) -> numpy.ndarray:
    """Return hashes of 16 hexadecimal digits as uint64 [N]."""
    return numpy.array([int(one, 16) for one in hashes], dtype=numpy.uint64)


def bits(first: numpy.ndarray, second: numpy.ndarray) -> numpy.ndarray:
    """Return in how many bits numbers (uint64) differ, int64."""
    number: numpy.ndarray = numpy.bitwise_count(first ^ second).astype(numpy.int64)
    return number


def candidates(phashes: numpy.ndarray, dhashes: numpy.ndarray, limit: int) -> Candidates:
    """Compare the hashes of all pairs of images.

    Args:
        phashes, dhashes: uint64 [N].
        limit: the search ends once there are more candidates than this.

    Returns:
        Those that are alike in both hashes, in a fixed order.
    """
    found: list[tuple[numpy.ndarray, numpy.ndarray]] = []
    number = 0
    for rows, columns in _alike(phashes, PHASH_BITS):
        near = numpy.bitwise_count(dhashes[rows] ^ dhashes[columns]) <= DHASH_BITS
        found.append((rows[near], columns[near]))
        number += int(near.sum())
        if number > limit:
            break
    first, second = (numpy.concatenate([one[side] for one in found] or [_none()]) for side in (0, 1))
    phash, dhash = (bits(values[first], values[second]) for values in (phashes, dhashes))
    return Candidates(first, second, phash, dhash, complete=number <= limit)


def _none() -> numpy.ndarray:
    return numpy.zeros(0, dtype=numpy.int64)


def _alike(hashes: numpy.ndarray, most: int) -> Iterator[tuple[numpy.ndarray, numpy.ndarray]]:
    """Yield the positions of pairs that differ in at most `most` bits, first < second, block by block."""
    count = len(hashes)
    differing = numpy.empty((ROWS, COLUMNS), dtype=numpy.uint64)
    number = numpy.empty((ROWS, COLUMNS), dtype=numpy.uint8)
    for top in range(0, count, ROWS):
        rows = hashes[top : top + ROWS, None]
        for left in range(top, count, COLUMNS):
            columns = hashes[left : left + COLUMNS]
            block = slice(0, len(rows)), slice(0, len(columns))
            numpy.bitwise_xor(rows, columns, out=differing[block])
            numpy.bitwise_count(differing[block], out=number[block])
            near = number[block] <= most
            if left < top + ROWS:  # the diagonal: each pair once, and none of an image with itself
                near = numpy.triu(near, 1 + top - left)
            if near.any():
                row, column = numpy.nonzero(near)
                yield row + top, column + left


def smoothed(greys: numpy.ndarray) -> numpy.ndarray:
    """Return pictures (uint8 [N, S, S]) smoothed, in steps of 1 / `LEVELS`: whole numbers, uint16."""
    parts = [_smoothed(greys[start : start + AT_ONCE]) for start in range(0, len(greys), AT_ONCE)]
    return numpy.concatenate(parts) if parts else greys.astype(numpy.uint16)


def _smoothed(greys: numpy.ndarray) -> numpy.ndarray:
    values = greys.astype(numpy.int32)
    for _ in range(SMOOTHINGS):
        for axis in (1, 2):
            padded = numpy.pad(values, [(0, 0), *([(1, 1) if axis == other else (0, 0) for other in (1, 2)])], "edge")
            before, at, after = (padded.take(range(start, start + values.shape[axis]), axis) for start in (0, 1, 2))
            values = before + 2 * at + after
    scale = 16**SMOOTHINGS // LEVELS
    rounded: numpy.ndarray = ((values + scale // 2) // scale).astype(numpy.uint16)
    return rounded


class Correlations:
    """The correlation of pairs of pictures after the best small shift.

    Pictures are laid out as rows with `SHIFT` zeros between them, so that another shift is another start, and what is
    outside of a picture adds nothing.

    Args:
        greys: uint8 [N, S, S].
    """

    def __init__(self, greys: numpy.ndarray) -> None:
        self.greys = smoothed(greys)
        self.side = greys.shape[1]
        self.shifts = list(product(range(-SHIFT, SHIFT + 1), repeat=2))
        windows = numpy.zeros((len(self.shifts), self.side, self.side))
        for window, (down, right) in zip(windows, self.shifts, strict=True):
            window[self._covered(down), self._covered(right)] = 1
        self.counts = windows.sum(axis=(1, 2))
        self.sums = self._sums_of(windows, 1)
        self.squares = self._sums_of(windows, 2)

    def _covered(self, shift: int) -> slice:
        """Return the rows (or columns) of a picture that another one, shifted by so many, covers."""
        return slice(max(0, shift), self.side + min(0, shift))

    def _sums_of(self, windows: numpy.ndarray, power: int) -> numpy.ndarray:
        """Return the sum of a power of the values of each picture in each window, [N, W]."""
        masks = windows.reshape(len(windows), -1).T
        parts = [self._values(slice(start, start + AT_ONCE)) ** power for start in range(0, len(self.greys), AT_ONCE)]
        return numpy.concatenate([part.reshape(len(part), -1) @ masks for part in parts] or [masks[:0]])

    def _values(self, rows: slice | numpy.ndarray) -> numpy.ndarray:
        values: numpy.ndarray = self.greys[rows].astype(numpy.float64)
        return values

    def of(self, first: numpy.ndarray, second: numpy.ndarray) -> numpy.ndarray:
        """Return the correlations of pairs, float64 [P]; 0 where a picture has one grey only.

        Args:
            first, second: int64 [P], positions.
        """
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(first), AT_ONCE)]
        return numpy.concatenate([self._of_part(first[part], second[part]) for part in parts] or [numpy.zeros(0)])

    def _of_part(self, first: numpy.ndarray, second: numpy.ndarray) -> numpy.ndarray:
        width, above = self.side + SHIFT, SHIFT + 1
        one = numpy.zeros((len(first), self.side, width))
        other = numpy.zeros((len(first), self.side + 2 * above, width))
        one[:, :, : self.side] = self._values(first)
        other[:, above : above + self.side, : self.side] = self._values(second)
        one, other = one.reshape(len(first), -1), other.reshape(len(first), -1)
        best = numpy.zeros(len(first))
        for number, (down, right) in enumerate(self.shifts):
            start = (above - down) * width - right
            products = numpy.vecdot(one, other[:, start : start + one.shape[1]])
            count, opposite = self.counts[number], len(self.shifts) - 1 - number
            total, other_total = self.sums[first, number], self.sums[second, opposite]
            spread = (count * self.squares[first, number] - total**2) * (
                count * self.squares[second, opposite] - other_total**2
            )
            covariance = count * products - total * other_total
            found = numpy.divide(covariance, numpy.sqrt(spread), out=numpy.zeros_like(best), where=spread > 0)
            numpy.maximum(best, found, out=best)
        return best


def random_pairs(contents: Sequence[str]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return pairs of images in an order that has nothing to do with what they show: that of their contents.

    Each image is paired with the next one in this order, then with the one after it, and so on. So an image more or
    less changes few of the pairs.

    Args:
        contents: a SHA-256 of each image; each is another one.

    Returns:
        Positions, int64 [P] each: all pairs of a small set, else `RANDOM_PAIRS`.
    """
    count = len(contents)
    if count < 2:
        return _none(), _none()
    order = numpy.argsort(numpy.array(contents))
    number = min(RANDOM_PAIRS, count * (count - 1) // 2)
    offset, start = numpy.divmod(numpy.arange(number), count)
    return order[start], order[(start + offset + 1) % count]


def quantile(correlations: numpy.ndarray) -> float:
    """Return the quantile of the correlations of random pairs that a near-duplicate's is above; 0 without any."""
    return float(numpy.quantile(correlations, PERCENTILE, method="lower")) if len(correlations) else 0.0


def complete_links(first: numpy.ndarray, second: numpy.ndarray, order: numpy.ndarray) -> list[list[int]]:
    """Return groups in which every image is paired with every other one.

    Args:
        first, second: int64 [P], the positions of the pairs.
        order: int64 [P], the order in which pairs are taken; each joins the groups of its images if all pairs between
            them are there.
    """
    partners: dict[int, set[int]] = {}
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        partners.setdefault(one, set()).add(other)
        partners.setdefault(other, set()).add(one)
    group = {image: [image] for image in partners}
    for pair in order.tolist():
        mine, other = group[int(first[pair])], group[int(second[pair])]
        if mine is not other and all(partners[image].issuperset(other) for image in mine):
            mine += other
            for image in other:
                group[image] = mine
    return sorted({id(members): sorted(members) for members in group.values() if len(members) > 1}.values())


def is_property(images: int, grouped: int) -> bool:
    """Return whether so many images have a near-duplicate that it is a property of the set."""
    return grouped > max(ALWAYS_GROUPED, MOST_GROUPED * images)


def crosses_classes(pairs: int, crossing: int) -> bool:
    """Return whether so many pairs are of two classes that it is a property of the set."""
    return pairs >= FEW_PAIRS and crossing > MOST_CROSSING * pairs
