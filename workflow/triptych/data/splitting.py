"""Split images of the user's own: as given, and by a seeded order of their contents where nothing is given."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy
import pandas

from triptych.data.source import setting
from triptych.data.stratify import SPLITS, TEST, TRAIN, VALIDATION, in_rounds
from triptych.data.units import units_of
from triptych.storage.errors import InputError

MOST_NAMED = 20
"""The most classes that a message names."""
Unit = tuple[numpy.ndarray, Counter[str]]
"""The rows of a unit, and how many of them are of each class."""


def with_groups(images: pandas.DataFrame, settings: Mapping[str, Any]) -> pandas.DataFrame:
    """Return the images with the groups that the setting `group`, a pattern on their paths, finds.

    The pattern is a regular expression with one group, searched in the path from the data set's folder. A path that it
    does not match has no group.

    Args:
        images: columns path and group of the table `images`.
        settings: `group` may be missing or None: the images keep the groups that they have.

    Raises:
        InputError: the pattern is no regular expression with one group, or matches no path; or there are groups
            already.
    """
    pattern = settings.get("group")
    if pattern is None or images.empty:
        return images
    expression = _compiled(pattern)
    if (images["group"] != "").any():
        raise InputError(
            f"dataset.group: the pattern {pattern!r} is not allowed, because the table has a column group; delete one "
            "of them."
        )
    found = [expression.search(path.removeprefix("./")) for path in images["path"]]
    groups = ["" if match is None else match[1] or "" for match in found]
    if not any(groups):
        raise InputError(
            f"dataset.group: the pattern {pattern!r} matches none of {len(groups):,} paths, such as "
            f"{images['path'].iloc[0].removeprefix('./')!r}; give a regular expression with one group, as "
            r"'(patient\d+)', or delete the key."
        )
    return images.assign(group=groups)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        expression = re.compile(pattern)
    except (re.error, TypeError) as error:
        raise InputError(f"dataset.group: {pattern!r} is not a regular expression ({error}).") from None
    if expression.groups != 1:
        raise InputError(f"dataset.group: {pattern!r} has {expression.groups} groups in parentheses; give one.")
    return expression


def split_rows(
    images: pandas.DataFrame, settings: Mapping[str, Any], pairs: pandas.DataFrame | None = None
) -> dict[str, numpy.ndarray]:
    """Return which images are in each split. Contents, classes, groups and pairs decide, never names.

    - Given splits are taken as they are. A part that is not given is taken from train, never from test.
    - With folds there is no validation part: the images that are given for it are training images.
    - Units are never divided: the images of one group, exact duplicates, and pairs that are kept together. A unit over
      several classes goes by its largest class.
    - In each class the units have one order, by the smallest hash of seed and content. Test is taken from its front,
      validation from its back, until the number of images of the class is the nearest to what is asked for. So one
      image more or less moves at most one other unit in or out of each.
    - Every split is ordered in rounds of one image per class, as those of `triptych.data.stratify`.

    Args:
        images: columns path, class, split, group, sha256 and pixels of the table `images`.
        settings: validation and test (each a fraction below 1, or a whole number of images of each class; 0: none),
            seed and, with folds, their number, from the section `dataset` of the configuration.
        pairs: the table `pairs`; None where none is known.

    Returns:
        For each name of `SPLITS` the positions of its rows, int64.

    Raises:
        InputError: a class has too few images or units for the parts that are asked for; classes are named. Or test
            images are given, and the configuration wants none.
    """
    if images.empty:
        raise InputError("no image can be used.")
    if settings.get("folds"):
        images = images.replace({"split": {VALIDATION: TRAIN}})
        _check_given_test(images, settings)
    seed = int(setting(settings, "seed"))
    given = images["split"].to_numpy(dtype=object)
    has_given = bool((given != "").any())
    split = numpy.where(given == "", TRAIN, given) if has_given else numpy.full(len(images), TRAIN, dtype=object)
    wanted = {part: setting(settings, part) for part in (TEST, VALIDATION) if part not in set(split)}
    labels = images["class"].to_numpy(dtype=object)
    orders = content_orders(images["sha256"], seed)
    if any(wanted.values()):
        pool = numpy.flatnonzero(split == TRAIN)
        of_train = images.iloc[pool]
        units = units_of(of_train, pairs)
        _check_whole_classes(of_train, units, wanted)
        for part, rows in drawn([pool[unit] for unit in units], labels, orders, wanted).items():
            split[rows] = part
    parts = [part for part in SPLITS if wanted.get(part, 1)]
    _check_classes(
        labels, split, parts, [*(part for part in parts if part in wanted), *([TRAIN] * any(wanted.values()))]
    )
    return _in_order(labels, split, orders, seed)


def units_by_class(
    images: pandas.DataFrame, seed: int | str, pairs: pandas.DataFrame | None = None
) -> dict[str, list[numpy.ndarray]]:
    """Return the units of each class in their order, each the positions of its images, int64.

    Args:
        images: columns path, class, group, sha256 and pixels of the table `images`.
        seed: of the order.
        pairs: as in `split_rows`.
    """
    labels = images["class"].to_numpy(dtype=object)
    held = [(rows, Counter(labels[rows].tolist())) for rows in units_of(images, pairs)]
    by_class = _by_class(held, content_orders(images["sha256"], seed))
    return {label: [rows for rows, _ in units] for label, units in by_class.items()}


def deal(units: Mapping[str, Sequence[numpy.ndarray]], labels: numpy.ndarray, count: int) -> numpy.ndarray:
    """Deal units of images to parts, each class evenly. A unit is never divided.

    Of a class, which is the largest one of a unit, each part gets a unit. Each further one goes to the part with the
    fewest images of the class, or of these to that with the fewest images. So if no unit has images of several classes,
    the parts' images of a class differ by at most its largest unit.

    Args:
        units: for each class its units in their order (`units_by_class`), each the rows of its images, int64; all rows
            together are 0 to N - 1.
        labels: the class of each image, [N].
        count: of the parts.

    Returns:
        The part of each image, uint8 [N].

    Raises:
        InputError: fewer units have images of a class than there are parts, or a part got none of a class; classes are
            named.
    """
    held = Counter(label for own in units.values() for rows in own for label in set(labels[rows].tolist()))
    few = {label: held[label] for label in sorted(held) if held[label] < count}
    if few:
        raise InputError(
            f"folds: {count} needs {count} different images of each class outside the test part; too few: "
            f"{_named(few)}. Duplicates and images of one group count once. Lower folds, add images, or remove the "
            "class."
        )
    parts = numpy.zeros(len(labels), numpy.uint8)
    of_class = {label: numpy.zeros(count, int) for label in held}
    images = numpy.zeros(count, int)
    for label, own in units.items():
        dealt = numpy.zeros(count, bool)
        for turn, rows in enumerate(own):
            free = dealt.astype(int) if turn < count else numpy.zeros(count, int)
            part = numpy.lexsort((numpy.arange(count), images, of_class[label], free))[0]
            parts[rows] = part
            dealt[part] = True
            images[part] += len(rows)
            for name, number in Counter(labels[rows].tolist()).items():
                of_class[name][part] += number
    lacking = [label for label in sorted(of_class) if not of_class[label].all()]
    if lacking:
        raise InputError(
            f"folds: {count}: a fold has no image of {_names(lacking)}. Their groups, which are not divided, are in "
            "other folds. Lower folds, give another seed, or make smaller groups."
        )
    return parts


def _check_given_test(images: pandas.DataFrame, settings: Mapping[str, Any]) -> None:
    """Raise an InputError if test images are given, and the configuration wants none."""
    given = int((images["split"] == TEST).sum())
    if given and not setting(settings, TEST):
        raise InputError(
            f"test: 0 does not fit the {given:,} images that are given as test. Remove test: 0, or move these images "
            "to train."
        )


def content_orders(contents: Iterable[str], seed: int | str) -> numpy.ndarray:
    """Return a text for each content, by which images are ordered: a hash of seed and content."""
    return numpy.array([hashlib.sha256(f"{seed} {content}".encode()).hexdigest() for content in contents], dtype=object)


def _by_class(units: Iterable[Unit], orders: numpy.ndarray) -> dict[str, list[Unit]]:
    """Return the units of each class, which is their largest one, in their order: that of their first image."""
    keyed: dict[str, list[tuple[str, Unit]]] = defaultdict(list)
    for rows, counts in units:
        label = min(counts, key=lambda name: (-counts[name], name))
        keyed[label].append((min(orders[rows]), (rows, counts)))
    return {label: [unit for _, unit in sorted(keyed[label], key=lambda one: one[0])] for label in sorted(keyed)}


def drawn(
    units: Iterable[numpy.ndarray], labels: numpy.ndarray, orders: numpy.ndarray, wanted: Mapping[str, float]
) -> dict[str, numpy.ndarray]:
    """Return the rows that each wanted part takes.

    Args:
        units: the rows of each unit that a part may take.
        labels, orders: of every row: its class, and the text of `content_orders`.
        wanted: for test and validation a fraction below 1, or a number of images of each class; 0 for none.

    Raises:
        InputError: classes have too few units, or too few images for the counts.
    """
    held = [(rows, Counter(labels[rows].tolist())) for rows in units]
    asked = {part: size for part, size in wanted.items() if size}
    _check_counts(sorted(set(labels.tolist())), [counts for _, counts in held], asked)
    found: dict[str, list[numpy.ndarray]] = {part: [] for part in asked}
    for label, ordered in _by_class(held, orders).items():
        sizes = [counts[label] for _, counts in ordered]
        left = len(ordered)
        for part, order in ((TEST, 1), (VALIDATION, -1)):
            if part in asked:
                others = 1 + (part == TEST and VALIDATION in asked)
                taken = _nearest(sizes[::order], _target(asked[part], sum(sizes)), left - others)
                found[part] += [rows for rows, _ in ordered[::order][:taken]]
                left -= taken
    return {part: numpy.concatenate(rows) for part, rows in found.items() if rows}


def _target(size: float, total: int) -> int:
    """Return how many images of a class are wanted: half a one is rounded up."""
    return max(1, int(size * total + 0.5)) if size < 1 else int(size)


def _nearest(sizes: list[int], target: int, most: int) -> int:
    """Return how many units from the front have together as many images as the target, or the nearest number.

    At least one, unless none may be taken: the class is then in units of other classes as well, and `most` below 1.
    """
    if most < 1:
        return 0
    sums = numpy.cumsum(sizes[:most])
    return int(numpy.abs(sums - target).argmin()) + 1


def _check_whole_classes(images: pandas.DataFrame, units: list[numpy.ndarray], wanted: Mapping[str, float]) -> None:
    """Raise an InputError that names the classes whose images are all in one unit, and its group."""
    number = numpy.empty(len(images), dtype=numpy.int64)
    for unit, rows in enumerate(units):
        number[rows] = unit
    found = pandas.DataFrame({"class": images["class"].to_numpy(), "unit": number}).groupby("class")["unit"]
    held = found.first()[(found.nunique() == 1) & (found.size() > 1)]
    if held.empty:
        return
    named = [_whole(str(label), images.iloc[units[unit]]) for label, unit in held.items()]
    more = f"; and {len(named) - MOST_NAMED:,} more classes" if len(named) > MOST_NAMED else ""
    parts = " and ".join(part for part in wanted if wanted[part])
    raise InputError(
        f"{'; '.join(named[:MOST_NAMED])}{more}. A group is in one split, so no {parts} images of it can be drawn with "
        "others left for train. Make smaller groups, give splits, or remove the class."
    )


def _whole(label: str, unit: pandas.DataFrame) -> str:
    count = f"all {int((unit['class'] == label).sum()):,} images of the class {label}"
    groups = sorted(set(unit["group"]) - {""})
    return f"{count} are in one group, {groups[0]}" if groups else f"{count} are duplicates of each other"


def _check_counts(labels: Iterable[str], units: Iterable[Counter[str]], asked: Mapping[str, float]) -> None:
    """Raise an InputError that names the classes with too few units or images."""
    parts = " and ".join(asked)
    least = len(asked) + 1
    held, images = dict.fromkeys(labels, 0), Counter[str]()
    for unit in units:
        images.update(unit)  # += would visit all classes each time
        for label in unit:
            held[label] += 1
    few = {label: count for label, count in held.items() if count < least}
    if few:
        raise InputError(
            f"too few different images for {parts}: {_named(few)}; a class needs at least {least}, one for each split. "
            "Duplicates and images of one group count once. Add images, remove the class, or give splits."
        )
    needed = 1 + sum(max(1, int(size)) for size in asked.values())  # fractions give way: at least one image is left
    few = {label: images[label] for label in held if images[label] < needed}
    if few:
        sizes = ", ".join(f"{part}: {size}" for part, size in asked.items())
        raise InputError(f"too few images for {sizes}: {_named(few)}. Lower {parts}, or add images to these classes.")


def _check_classes(labels: numpy.ndarray, split: numpy.ndarray, parts: list[str], drawn_parts: list[str]) -> None:
    """Raise an InputError if a part lacks a class."""
    for part in parts:
        lacking = sorted(set(labels.tolist()) - set(labels[split == part].tolist()))
        if lacking:
            remedy = "Add images of them to this split, or remove these classes."
            if part in drawn_parts:
                remedy = (
                    "Their groups, which are not divided, are in other splits. Give another seed, smaller groups or "
                    "more images, or remove these classes."
                )
            count = "1 class" if len(lacking) == 1 else f"{len(lacking):,} classes"
            raise InputError(f"{part} has no image of {count}: {_names(lacking)}. {remedy}")


def _named(counts: Mapping[str, int]) -> str:
    return _names([f"{label} ({count})" for label, count in counts.items()])


def _names(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _in_order(
    labels: numpy.ndarray, split: numpy.ndarray, orders: numpy.ndarray, seed: int
) -> dict[str, numpy.ndarray]:
    classes = sorted(set(labels.tolist()))
    ordered = sorted(range(len(labels)), key=lambda row: orders[row])  # stable: equal contents stay as they are
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in ordered:
        rows[split[row], labels[row]].append(row)
    return {
        part: in_rounds(
            [numpy.array(rows[part, label], dtype=numpy.int64) for label in classes],
            numpy.random.default_rng([seed, number]),
        )
        for number, part in enumerate(SPLITS, start=1)
    }
