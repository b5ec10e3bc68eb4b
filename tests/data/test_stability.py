"""A split hardly moves when images are added or removed: ten thousand random edits of tables."""

import hashlib
import random
from collections import Counter
from dataclasses import dataclass, replace

import numpy
import pytest

from triptych.data.splitting import content_orders, drawn
from triptych.data.units import connected

EDITS = 10_000
PARTS = ("test", "validation")


@dataclass(frozen=True)
class Picture:
    """An image: what it is, not what it is called."""

    label: str
    content: str
    group: str = ""
    pixels: str = ""


class Folder:
    """Images by their contents, and the split of their units."""

    groups = 6

    def __init__(self, usual, wanted):
        self.usual, self.wanted, self.made = usual, wanted, 0
        self.pictures, self.orders = {}, {}
        for label, count in usual.items():
            for _ in range(count):
                self.add(self.new(label))

    def new(self, label):
        self.made += 1
        return Picture(label, hashlib.sha256(str(self.made).encode()).hexdigest())

    def add(self, picture):
        self.pictures[picture.content] = picture
        self.orders[picture.content] = content_orders([picture.content], 0)[0]

    def split(self):
        """The units, each as its contents, and the part of each content."""
        held = list(self.pictures.values())
        labels = numpy.array([one.label for one in held], dtype=object)
        orders = numpy.array([self.orders[one.content] for one in held], dtype=object)
        units = connected(len(held), {"group": [one.group for one in held], "pixels": [one.pixels for one in held]})
        parts = dict.fromkeys(self.pictures, "train")
        for part, rows in drawn(units, labels, orders, self.wanted).items():
            for row in rows.tolist():
                parts[held[row].content] = part
        return [frozenset(held[row].content for row in rows.tolist()) for rows in units], parts


def place(folder, unit):
    """Where a unit is in the order of its class: what decides about it."""
    counts = Counter(folder.pictures[content].label for content in unit)
    return min(counts, key=lambda label: (-counts[label], label)), min(folder.orders[content] for content in unit)


def moves(before, after, edited):
    """The sizes of the units, other than the edited ones, that went in or out of each part."""
    (units, old), (_, new) = before, after
    others = [(len(unit), next(iter(unit))) for unit in units if not unit & edited]
    return {part: [size for size, one in others if (old[one] == part) != (new[one] == part)] for part in PARTS}


def furthest(folder, split):
    """By how many images a part of a class differs most from what is asked for."""
    pictures = folder.pictures
    total = Counter(one.label for one in pictures.values())
    found = Counter((pictures[content].label, part) for content, part in split[1].items())
    return max(
        abs(found[label, part] - (size * total[label] if size < 1 else size))
        for label in total
        for part, size in folder.wanted.items()
    )


def unit_with(split, content):
    return next((unit for unit in split[0] if content in unit), frozenset())


def edited(folder, choose, group_share):
    """Add an image of its own, of a group, or a duplicate; or remove one. Returns it."""
    present = list(folder.pictures.values())
    one = choose.choice(present)
    counts = Counter(picture.label for picture in present)
    if choose.random() < counts[one.label] / (2 * folder.usual[one.label]):
        del folder.pictures[one.content]
        return one
    other = folder.new(one.label)
    if choose.random() < group_share:
        other = replace(other, group=f"{one.label} {choose.randrange(folder.groups)}")
    elif choose.random() < group_share:
        other = replace(other, pixels=one.pixels or one.content, group=one.group)
        folder.pictures[one.content] = replace(one, pixels=other.pixels)
    folder.add(other)
    return other


@pytest.mark.parametrize("group_share", [0, 0.4])
@pytest.mark.parametrize("wanted", [{"test": 0.15, "validation": 0.15}, {"test": 0.3, "validation": 4}])
def test_an_image_more_or_less_moves_at_most_one_other_in_or_out(wanted, group_share):
    """Others move one at a time, unless a group gets another smallest member, which is its place in the order."""
    choose, folder = random.Random(1), Folder({"a": 30, "b": 20}, wanted)
    before, seen = folder.split(), Counter()
    for number in range(EDITS // 4):
        places = {content: place(folder, unit) for unit in before[0] for content in unit}
        picture = edited(folder, choose, group_share)
        after = folder.split()
        touched = unit_with(before, picture.content) | unit_with(after, picture.content)
        new_places = {place(folder, unit) for unit in after[0] if unit & touched}
        replaced = len(touched) > 1 and {places[one] for one in touched if one in places} != new_places
        moved = moves(before, after, touched)
        for part in PARTS:
            if replaced:
                assert sum(moved[part]) <= len(touched) + max(map(len, before[0]))
            else:
                assert len(moved[part]) <= 1
            seen[part] += len(moved[part]) > 0
        seen["replaced"] += replaced
        before = after
        if number % 20 == 0:
            assert furthest(folder, after) <= max(map(len, after[0]))
    assert all(seen[part] > 50 for part in PARTS)  # there is something to see
    assert (seen["replaced"] > 0) == (group_share > 0)
