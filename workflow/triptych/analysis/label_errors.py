"""Suspected wrong labels, by confident learning (Northcutt, Jiang and Chuang 2021, JAIR 70, 1373-1411).

A label is suspected if another class is likely for its image: at least as likely as that class is on average for the
images that are labelled as it. So a class of which the network is never sure does not make all labels suspected.

The probabilities are those of networks that did not train on the image, and are not calibrated. That was decided before
any result was seen: the temperature is fitted on some of the labels that are in question, not every network has one,
and the thresholds adapt to networks that are too sure anyway.
"""

from dataclasses import dataclass

import numpy


@dataclass(frozen=True)
class Doubt:
    """How much the label of an image is doubted.

    Attributes:
        row: of the image.
        suspected: whether the label is suspected to be wrong.
        other: the number of the class that it may be of; of a label that is not suspected, the most likely other class.
        probability_of_label, probability_of_other: 0 to 1.
    """

    row: int
    suspected: bool
    other: int
    probability_of_label: float
    probability_of_other: float


def class_thresholds(probabilities: numpy.ndarray, labels: numpy.ndarray) -> numpy.ndarray:
    """Return the mean probability of each class over the images that are labelled as it: [classes].

    It is infinite for a class without images: nothing is known about how sure networks are of it.

    Args:
        probabilities: [N, classes].
        labels: int64 [N].
    """
    classes = probabilities.shape[1]
    images = numpy.bincount(labels, minlength=classes)
    sums = numpy.bincount(labels, probabilities[numpy.arange(len(labels)), labels], minlength=classes)
    found: numpy.ndarray = numpy.where(images > 0, sums / numpy.maximum(images, 1), numpy.inf)
    return found


def ranked_labels(probabilities: numpy.ndarray, labels: numpy.ndarray) -> list[Doubt]:
    """Return all images, the most doubted label first: the suspected ones, then the others.

    An image belongs to the most likely of the classes that reach their thresholds. If that is another one than its
    label, the label is suspected. Both parts are ordered by the normalised margin: the probability of the label minus
    that of the other class; equal ones are in the order of the images. The others follow since thresholds are strict:
    of 5 % planted errors in digits the suspected ones were 53 to 83 %, the first tenth of the ranking had all.

    Args:
        probabilities: of networks that did not train on the images, [N, classes]; two classes or more. An image with
            one that is no number is left out.
        labels: int64 [N].
    """
    rows = numpy.flatnonzero(numpy.isfinite(probabilities).all(axis=1))
    known, given, each = probabilities[rows], labels[rows], numpy.arange(len(rows))
    confident = numpy.where(known >= class_thresholds(known, given), known, -numpy.inf)
    best = confident.argmax(axis=1)
    suspected = numpy.isfinite(confident.max(axis=1)) & (best != given)
    others = known.copy()
    others[each, given] = -numpy.inf
    other = numpy.where(suspected, best, others.argmax(axis=1))
    of_label, of_other = known[each, given], known[each, other]
    order = numpy.lexsort((each, of_label - of_other, ~suspected))
    return [
        Doubt(int(rows[one]), bool(suspected[one]), int(other[one]), float(of_label[one]), float(of_other[one]))
        for one in order
    ]
