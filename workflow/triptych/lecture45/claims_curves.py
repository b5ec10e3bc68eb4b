"""The claims about losses and accuracies by epoch: of ten epochs of the lecture's recipe on CIFAR-10, and of no others.

Only the last claim (22:22) speaks of any run. With one seed a verdict is about the networks of this run: the intervals
are over images alone.
"""

import math
from collections.abc import Callable

import pandas
from scipy import stats

from triptych.lecture45.evidence import ARMS, NETS, Evidence, of_the_lecture
from triptych.lecture45.rules import (
    ABOUT,
    FAR,
    FEWEST_EPOCHS,
    LAST,
    LEVEL,
    Claim,
    Clause,
    Interval,
    above,
    between,
    decided,
    epoch_of_lowest,
    in_bytes,
    inside,
    opposite,
    points,
    rise_and_fall,
    rising,
    settled,
    signed,
)
from triptych.lecture45.verdicts import NOT_TESTED

FILM_LOSS = 50_000
"""What the film's own notebook, the first version of 2018, divides its sum of the training batches' mean losses by."""

HARM = 0.1
"""A rise of the test loss by more than this share of its lowest value is harm; the report calls it overfitting."""


def first_epoch(evidence: Evidence) -> Claim:
    """Agrees where net1's train loss is the lower beyond its noise, and the whole interval of net3's lead on the test
    images is above zero. A lead whose interval holds zero is undecided: noise puts it outside in 1 of 20 cases.
    """
    claim = "after epoch 1 net1’s train loss is below net3’s, yet net3’s test accuracy is above net1’s"
    accuracy = {arm: evidence.at(arm, "test_accuracy", 1) for arm in ("scratch", "last_layer")}
    lead = evidence.difference_interval(accuracy["last_layer"], accuracy["scratch"])
    batches = _batches(evidence)
    film = {arm: evidence.at(arm, "train_loss", 1) * batches / FILM_LOSS for arm in accuracy}
    number = (
        f"train loss {_losses(evidence, 'scratch', 'last_layer')} (as the film’s notebook divides it, by 50,000: "
        f"{film['scratch']:.3f} and {film['last_layer']:.3f}); test accuracy net1 {accuracy['scratch']:.1f} %, net3 "
        f"{accuracy['last_layer']:.1f} % (net3’s lead: {between(lead)} points)"
    )
    clauses = [
        Clause("net1’s train loss is below net3’s", _lower_train_loss(evidence, "scratch", "last_layer")),
        Clause("net3 is ahead on the test images", above(lead, 0)),
    ]
    return of_the_lecture(evidence, "12:43", claim, number, clauses)


def train_error_of_net3(evidence: Evidence) -> Claim:
    """Agrees where net3's share of wrong training images after epoch 1 is above net2's with its whole interval, and its
    train loss beyond its noise.
    """
    claim = "after epoch 1 net3’s train error is above net2’s"
    errors = ", ".join(f"{NETS[arm]} {100 - evidence.at(arm, 'train_accuracy', 1):.1f} %" for arm in ARMS[1:])
    number = f"train error {errors}; train loss {_losses(evidence, 'finetune', 'last_layer')}"
    accuracy = [evidence.at(arm, "train_accuracy", 1) for arm in ARMS[1:]]
    images = [int(evidence.arms["train_images"][arm]) for arm in ARMS[1:]]
    more = evidence.difference_interval(accuracy[0], accuracy[1], (images[0], images[1]))
    clauses = [
        Clause("net3 has more training images wrong than net2", above(more, 0)),
        Clause("net3’s train loss is above net2’s", _lower_train_loss(evidence, "finetune", "last_layer")),
    ]
    return of_the_lecture(evidence, "12:43", claim, number, clauses)


def tie_of_net1_and_net3(evidence: Evidence) -> Claim:
    """Agrees where net1 and net3 are about 80 %, the whole interval of their difference is inside the margin of
    equivalence, and that of net2's lead is above FAR. A difference near zero with a wide interval is no tie: it is
    open.
    """
    claim = "after ten epochs net1 and net3 both stand at about 80 %, 0.6 apart, and net2 far above"
    final = {arm: evidence.mean("runs", arm, "test_accuracy") for arm in ARMS}
    difference, *interval, _ = evidence.lead("scratch", "last_layer")
    number = (
        f"net1 {final['scratch']:.1f} %, net3 {final['last_layer']:.1f} %, net2 {final['finetune']:.1f} %; net1 minus "
        f"net3 {signed(difference)} points ({between(_pair(interval))})"
    )
    margin = evidence.margin
    clauses = [
        *(_about(NETS[arm], evidence.accuracy_interval(arm), 80) for arm in ("scratch", "last_layer")),
        Clause(f"net1 and net3 within {points(margin)} of each other", inside(_pair(interval), (-margin, margin))),
    ]
    for arm in ("scratch", "last_layer"):
        _, low, high, _ = evidence.lead("finetune", arm)
        clauses.append(Clause(f"net2 more than {FAR:g} points above {NETS[arm]}", above((low, high), FAR)))
    return of_the_lecture(evidence, "14:33", claim, number, clauses)


def losses_fall(evidence: Evidence) -> Claim:
    """Agrees where net1's train loss and its true test loss fall to the end; disagrees where one rises again by more
    than its own jitter explains (`rise_and_fall`: noise does in at most 1 of 20 cases).
    """
    claim = "net1’s losses definitely fall down"
    train, test = (evidence.curve("scratch", f"{split}_loss").dropna().loc[1:] for split in ("train", "test"))
    drawn = test + train * evidence.arms["train_images"]["scratch"] / evidence.images("test")
    lowest = epoch_of_lowest(test)
    number = (
        f"train loss {train.iloc[0]:.3f} to {train.iloc[-1]:.3f}; true test loss {test.iloc[0]:.3f}, lowest "
        f"{test.min():.3f} (epoch {lowest}), at the end {test.iloc[-1]:.3f}; drawn as in the notebook (fault 2) "
        f"{drawn.iloc[0]:.3f}, then {drawn[lowest]:.3f}, at the end {drawn.iloc[-1]:.3f}"
    )
    trends = {"train loss": rise_and_fall(train), "true test loss": rise_and_fall(test)}
    clauses = [
        Clause(f"net1’s {name} falls to the end", None if trend is None else trend.falls, measured=trend is not None)
        for name, trend in trends.items()
    ]
    return of_the_lecture(evidence, "15:41", claim, number, clauses)


def net1_overfits(evidence: Evidence) -> Claim:
    """Agrees where net1's train accuracy rises in every epoch and is above its test accuracy by the middle of the run,
    with the whole interval, and its test accuracy does not rise any more and is about 80 % in the second half.
    """
    claim = "net1 over-fits early: its train accuracy rises, its test accuracy wavers around 80 %"
    train, test = (evidence.curve("scratch", f"{split}_accuracy").dropna().loc[1:] for split in ("train", "test"))
    falls = int((test.diff() < 0).sum())
    middle = (len(test) + 1) // 2
    half = test.iloc[middle:] if len(test) > 1 else test
    number = (
        f"train accuracy {train.iloc[0]:.1f} to {train.iloc[-1]:.1f} %; test accuracy {test.iloc[0]:.1f} to "
        f"{test.iloc[-1]:.1f} %, falling in {falls} of {len(test) - 1} steps, {half.mean():.1f} % in the second half"
    )
    clauses = [
        Clause("its train accuracy rises in every epoch", bool((train.diff().dropna() > 0).all())),
        Clause(
            f"its train accuracy is above its test accuracy in epoch {middle}",
            above(_gap(evidence, "scratch", middle), 0),
        ),
        Clause("its test accuracy does not rise any more", not rising(test)),
        _about("its second half", evidence.interval(half.mean()), 80),
    ]
    return of_the_lecture(evidence, "15:47", claim, number, clauses)


def net2_saturates(evidence: Evidence) -> Claim:
    """Agrees where net2's interval is within a point of 93 % after epoch 1 and of 94 % at the end, and it has settled
    (`settled`)."""
    claim = "net2 starts at 93 %, goes to 94 % and saturates"
    test = evidence.curve("finetune", "test_accuracy").loc[1:]
    final = evidence.accuracy_interval("finetune")
    number = (
        f"{test.iloc[0]:.1f} % after epoch 1, {test.iloc[-1]:.1f} % at the end; the last {len(test.iloc[-LAST:])} "
        f"epochs {test.iloc[-LAST:].min():.1f} to {test.iloc[-LAST:].max():.1f} %"
    )
    clauses = [
        Clause("within a point of 93 % after epoch 1", inside(evidence.interval(test.iloc[0]), (92, 94))),
        Clause("within a point of 94 % at the end", inside(final, (93, 95))),
        Clause("it has settled", settled(test, evidence.margin)),
    ]
    return of_the_lecture(evidence, "16:11", claim, number, clauses)


def overfitting_does_not_hurt(evidence: Evidence) -> Claim:
    """Agrees where net2 over-fits (its train accuracy is above its test accuracy) and neither its test accuracy falls
    nor its test loss rises: by more than the jitter is harm, and up to the margin, or a tenth of the loss, is none.
    """
    claim = "net2’s over-fitting does not hurt its generalisation"
    accuracy, loss = (evidence.curve("finetune", f"test_{kind}").loc[1:] for kind in ("accuracy", "loss"))
    last = int(accuracy.index[-1])
    gap = _gap(evidence, "finetune", last)
    number = (
        f"train accuracy {between(gap)} points above the test accuracy at the end; test accuracy "
        f"{accuracy.iloc[-1]:.1f} %, at best {accuracy.max():.1f} % (epoch {epoch_of_lowest(-accuracy)}); test loss "
        f"{loss.iloc[-1]:.3f}, lowest {loss.min():.3f} (epoch {epoch_of_lowest(loss)})"
    )
    clauses = [
        Clause("its train accuracy is above its test accuracy", above(gap, 0)),
        _unhurt("its test accuracy does not fall", -accuracy, evidence.margin),
        _unhurt("its test loss does not rise", loss, HARM * loss.min()),
    ]
    return of_the_lecture(evidence, "16:11", claim, number, clauses)


def net3_rises(evidence: Evidence) -> Claim:
    """Agrees where net3's test accuracy is still rising (`rising`; 22:22 asks the same) and its whole interval is more
    than FAR points below 80 %: much below.
    """
    claim = "net3 is still rising, much below 80 %"
    test = evidence.curve("last_layer", "test_accuracy").loc[1:]
    final = evidence.accuracy_interval("last_layer")
    number = f"{test.iloc[-1]:.1f} % ({between(final)}); the last epochs {_last(test)} %"
    clauses = [
        Clause(f"its last {LAST} accuracies rise", rising(test), measured=len(test) >= LAST),
        Clause(f"more than {FAR:g} points below 80 %", opposite(above(final, 80 - FAR))),
    ]
    return of_the_lecture(evidence, "16:28", claim, number, clauses)


def two_words_on_net3(evidence: Evidence) -> Claim:
    """What 14:33 and 16:28 say together. The two bands have no accuracy in common, so no run can agree with both; the
    reason says which one this run fits.
    """
    claim = "net3 is at about 80 % (14:33) and much below 80 % (16:28)"
    final = evidence.accuracy_interval("last_layer")
    accuracy = evidence.mean("runs", "last_layer", "test_accuracy")
    number = f"net3 {accuracy:.1f} % ({between(final)}); no accuracy is both: the film contradicts itself"
    clauses = [
        _about("net3", final, 80),
        Clause(f"more than {FAR:g} points below 80 %", opposite(above(final, 80 - FAR))),
    ]
    return of_the_lecture(evidence, "16:28", claim, number, clauses)


def two_epochs_are_enough(evidence: Evidence) -> Claim:
    """Agrees where the whole interval of what the last epoch has more than the second is below the margin. The last and
    not the best: the best of many is ahead by chance, and is chosen on the test images (fault 17).
    """
    claim = "one or two epochs are enough for net2"
    test = evidence.curve("finetune", "test_accuracy").loc[1:]
    number = f"{test.iloc[0]:.1f} % after epoch 1"
    clauses = [Clause("two epochs", None, measured=False)]
    if len(test) > 1:
        more = evidence.difference_interval(test.iloc[-1], test[2])
        number += f", {test[2]:.1f} % after epoch 2, {test.iloc[-1]:.1f} % at the end ({between(more)} points more)"
        margin = evidence.margin
        clauses = [
            Clause(f"the last epoch has at most {points(margin)} more than the second", opposite(above(more, margin)))
        ]
    return of_the_lecture(evidence, "17:02", claim, number, clauses)


def epochs_of_googlenet(evidence: Evidence) -> Claim:
    """Never tested: no arm trains a GoogLeNet."""
    return Claim("17:02", "GoogLeNet needed three or four epochs", "", NOT_TESTED, "GoogLeNet was not trained here")


def residual_connections(evidence: Evidence) -> Claim:
    """Never tested: no arm trains a network without residual connections."""
    return Claim(
        "17:02",
        "so soon because residual connections leave only a small difference to be learnt",
        "",
        NOT_TESTED,
        "it takes the same network without them, pretrained and trained alike, and torchvision has none",
    )


def last_layer_converges(evidence: Evidence) -> Claim:
    """Agrees where net3 takes less memory than net2 and its test accuracy is above guessing and has settled; disagrees
    where it falls again. Where it still rises (16:28) the run is too short to tell: the claim is about a longer one.
    Every run tests it.
    """
    claim = "with little memory or no GPU train only the last layer, longer: it will still come to a convergence"
    test = evidence.curve("last_layer", "test_accuracy").loc[1:]
    memory = evidence.tables["memory"]
    at_32 = memory[memory["batch_size"] == 32].groupby("arm")["training_bytes"].first()
    known = {"finetune", "last_layer"} <= set(at_32.index)
    number = f"test accuracy in the last epochs {_last(test)} %"
    if known:
        number += (
            f"; memory for training at batch 32: {in_bytes(at_32['last_layer'])}, net2 {in_bytes(at_32['finetune'])}"
        )
    if len(test) < FEWEST_EPOCHS:
        few = f"{len(test)} {'epoch' if len(test) == 1 else 'epochs'}; it takes at least {FEWEST_EPOCHS} to tell"
        return Claim("22:22", claim, number, NOT_TESTED, few)
    if rising(test):
        reason = (
            "net3 still rises when this run ends (16:28); the claim is about a longer one: see config/corrected.yaml"
        )
        return Claim("22:22", claim, number, NOT_TESTED, reason)
    trend = rise_and_fall(-test)
    classes = evidence.sizes.loc[evidence.sizes["split"] == "test", "class"].nunique()
    clauses = [
        Clause("net3 takes less memory than net2", known and bool(at_32["last_layer"] < at_32["finetune"]), known),
        Clause("net3 is above guessing", above(evidence.accuracy_interval("last_layer"), 100 / classes)),
        Clause("it has settled", False if trend is not None and trend.rises else settled(test, evidence.margin)),
    ]
    return Claim("22:22", claim, number, *decided(clauses))


def _lower_train_loss(evidence: Evidence, first: str, second: str) -> bool | None:
    """Whether the first net's train loss after epoch 1 is below the second's; open where their noise allows either."""
    losses, errors = [], []
    for arm in (first, second):
        losses.append(evidence.at(arm, "train_loss", 1))
        wrong = 1 - evidence.at(arm, "train_accuracy", 1) / 100
        errors.append(loss_error(losses[-1], wrong, int(evidence.arms["train_images"][arm])))
    noise = stats.norm.isf(LEVEL / 2) * math.hypot(*errors)
    apart = losses[1] - losses[0]
    return above((apart - noise, apart + noise), 0)


def loss_error(loss: float, wrong: float, images: int) -> float:
    """Return the standard error of a mean loss over so many images, which no table holds.

    As if the share `wrong` of the images had losses with an exponential distribution and all others none: the variance
    of one loss is then loss² (2 / wrong - 1).
    """
    share = max(wrong, 1 / images)
    return loss * math.sqrt((2 / share - 1) / images)


def _losses(evidence: Evidence, *arms: str) -> str:
    return ", ".join(f"{NETS[arm]} {evidence.at(arm, 'train_loss', 1):.3f}" for arm in arms)


def _batches(evidence: Evidence) -> int:
    return -(-int(evidence.arms["train_images"]["scratch"]) // int(evidence.arms["batch_size"]["scratch"]))


def _gap(evidence: Evidence, arm: str, epoch: int) -> Interval:
    """The interval of train accuracy minus test accuracy after an epoch, in points."""
    train, test = (evidence.at(arm, f"{split}_accuracy", epoch) for split in ("train", "test"))
    return evidence.difference_interval(train, test, (int(evidence.arms["train_images"][arm]), None))


def _about(name: str, interval: Interval, value: float) -> Clause:
    return Clause(f"{name} within {ABOUT:g} points of {value:g} %", inside(interval, (value - ABOUT, value + ABOUT)))


def _unhurt(words: str, curve: pandas.Series, margin: float) -> Clause:
    """Whether a curve, which is better the lower it is, does not rise again."""
    trend = rise_and_fall(curve)
    if trend is None:
        return Clause(words, None, measured=False)
    return Clause(words, False if trend.rises else (True if trend.rise + trend.noise <= margin else None))


def _last(test: pandas.Series) -> str:
    return ", ".join(f"{accuracy:.2f}" for accuracy in test.iloc[-LAST:])


def _pair(ends: list[float]) -> Interval:
    low, high = ends
    return low, high


CLAIMS: tuple[Callable[[Evidence], Claim], ...] = (
    first_epoch,
    train_error_of_net3,
    tie_of_net1_and_net3,
    losses_fall,
    net1_overfits,
    net2_saturates,
    overfitting_does_not_hurt,
    net3_rises,
    two_words_on_net3,
    two_epochs_are_enough,
    epochs_of_googlenet,
    residual_connections,
)
"""In the order of the film, but for the last claim."""
