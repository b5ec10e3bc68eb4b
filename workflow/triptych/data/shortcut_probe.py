"""Test whether a few numbers of each picture, its content aside, predict its class.

If the pictures of one class are brighter, larger or saved by another program, a network can learn that instead of what
they show. The test is a permutation test: it is exact for every number of images and classes, whatever the classifier.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy
import pandas
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import StratifiedKFold

FILE_NUMBERS = ("width", "height", "aspect", "bytes", "file type")
"""Of the file. They say nothing about what a picture shows."""
PICTURE_NUMBERS = ("brightness", "contrast", "sharpness", "red", "green", "blue")
"""Of the stored pixels. They may belong to what a picture shows: sunflowers are yellow."""
NUMBERS = (*FILE_NUMBERS, *PICTURE_NUMBERS)

FOLDS = 5
TREES = 10
PERMUTATIONS = 99
LEVEL = 1 / (PERMUTATIONS + 1)
"""Probability of a verdict other than "nothing" where the numbers and the classes are independent."""
CLEAR = 0.1
"""Least accuracy of a clear shortcut: the part of the way from chance to 100 %."""
LEAST = 10
"""Fewest images of a class."""
MOST_CLASSES = 100
MOST_IMAGES = 1500
SEED = 0

Verdict = Literal["clear", "slight", "nothing", "too few"]


@dataclass(frozen=True)
class Probe:
    """What the probe found. Accuracies are balanced (the mean recall over classes) and cross-validated, 0 to 1.

    Attributes:
        verdict: "clear" or "slight": the numbers predict the class, and by how much; "nothing": not more than chance
            does; "too few": fewer than two classes have LEAST images, and nothing else is known.
        classes, images: those that were used, exact duplicates and further images of a group left out.
        rare: classes with too few images. They were left out.
        others: classes beyond the MOST_CLASSES largest. They were left out.
        available: images of the classes that were used. Above MOST_IMAGES some were left out.
        accuracy: with all numbers.
        alone: with one number alone, the best first; of the verdicts "clear" and "slight".
        file, picture: with FILE_NUMBERS and with PICTURE_NUMBERS alone; of the same verdicts.
        of_files: the verdict on FILE_NUMBERS alone, tested as well.
    """

    verdict: Verdict
    classes: int = 0
    images: int = 0
    available: int = 0
    rare: int = 0
    others: int = 0
    accuracy: float = float("nan")
    alone: tuple[tuple[str, float], ...] = ()
    file: float = float("nan")
    picture: float = float("nan")
    of_files: Verdict = "nothing"

    @property
    def chance(self) -> float:
        """The balanced accuracy of guessing."""
        return 1 / self.classes if self.classes else float("nan")

    def size(self, accuracy: float) -> Verdict:
        """The verdict on an accuracy that beats chance."""
        return "clear" if accuracy - self.chance >= CLEAR * (1 - self.chance) else "slight"


def probe(images: pandas.DataFrame) -> Probe:
    """Test whether NUMBERS predict the class of training images.

    The result depends on the images' content, classes and groups, and not on their order or paths.

    Args:
        images: rows of the table `images`: class, group, sha256, pixels, and the columns behind NUMBERS.
    """
    units = independent(images)
    sizes = units["class"].value_counts()
    enough = sizes[sizes >= LEAST]
    used = sorted(enough.index, key=lambda name: (-enough[name], name))[:MOST_CLASSES]
    rare, others = len(sizes) - len(enough), len(enough) - len(used)
    if len(used) < 2:
        return Probe("too few", rare=rare, others=others)
    available = units[units["class"].isin(used)]
    sample = subsample(available)
    numbers, labels = numbers_of(sample), numpy.unique(sample["class"], return_inverse=True)[1]
    accuracy = cross_validated(numbers, labels)
    found = Probe("nothing", len(used), len(sample), len(available), rare, others, accuracy)
    if not beats_chance(numbers, labels, accuracy):
        return found
    files = numbers[list(FILE_NUMBERS)]
    file = cross_validated(files, labels)
    alone = {name: cross_validated(numbers[[name]], labels) for name in NUMBERS}
    return replace(
        found,
        verdict=found.size(accuracy),
        alone=tuple(sorted(alone.items(), key=lambda pair: -pair[1])),
        file=file,
        picture=cross_validated(numbers[list(PICTURE_NUMBERS)], labels),
        of_files=found.size(file) if beats_chance(files, labels, file) else "nothing",
    )


def independent(images: pandas.DataFrame) -> pandas.DataFrame:
    """Return one image of each set of exact duplicates and of each group, in the order of a content hash.

    Labels of the others are no further evidence: a copy in the training folds would give away that in the test fold.
    """
    ordered = images.sort_values(["sha256", "class"], kind="stable").drop_duplicates("pixels")
    grouped = ordered["group"] != ""
    return ordered[~grouped | ~ordered["group"].where(grouped).duplicated()].reset_index(drop=True)


def subsample(images: pandas.DataFrame) -> pandas.DataFrame:
    """Return at most MOST_IMAGES images: the first ones of each class, as many of each as there are."""
    if len(images) <= MOST_IMAGES:
        return images
    turn = images.groupby("class").cumcount()
    return images.loc[turn.sort_values(kind="stable").index[:MOST_IMAGES]].sort_index()


def numbers_of(images: pandas.DataFrame) -> pandas.DataFrame:
    """Return NUMBERS of images as ranks, so that no classifier depends on units or on single large values."""
    kind = images["format"] + " " + images["mode"]
    numbers = images.assign(aspect=images["width"] / images["height"], **{"file type": kind})[list(NUMBERS)]
    return numbers.rank(method="dense").astype(numpy.float64)


def cross_validated(numbers: pandas.DataFrame, labels: numpy.ndarray) -> float:
    """Return the balanced accuracy of a small forest of extremely randomised trees over stratified folds.

    Args:
        numbers: [N, K].
        labels: whole numbers [N], each at least FOLDS times.
    """
    values = numbers.to_numpy()
    if (values == values[0]).all():
        return 1 / len(numpy.unique(labels))  # nothing to go by: a guess, not what a forest happens to answer
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    predicted = numpy.empty_like(labels)
    for train, test in folds.split(values, labels):
        forest = ExtraTreesClassifier(
            TREES, min_samples_leaf=2, max_features=0.5, class_weight="balanced", random_state=SEED
        )
        predicted[test] = forest.fit(values[train], labels[train]).predict(values[test])
    right = numpy.bincount(labels, predicted == labels)
    return float(numpy.mean(right / numpy.bincount(labels)))


def beats_chance(numbers: pandas.DataFrame, labels: numpy.ndarray, accuracy: float) -> bool:
    """Whether no permutation of the labels reaches the accuracy of the labels as they are.

    The first one that does ends the test (Besag and Clifford 1991, Biometrika 78, 301-304): the level is the same.
    """
    generator = numpy.random.default_rng(SEED)
    return all(cross_validated(numbers, generator.permutation(labels)) < accuracy for _ in range(PERMUTATIONS))
