"""The claims of the lecture, each with the rule that decides whether a run agrees.

- Claims about accuracies and losses after ten epochs on CIFAR-10 are only tested by such a run. With other data (such
  as a compressed copy of the images), other weights or another recipe the verdict is `not tested here`; the numbers
  are given all the same.
- Claims about the network, its size and its trainable parameters are always tested.
- A run agrees with a claim that weights change as soon as they do. A run other than the lecture's cannot disagree.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas

from triptych.lecture45.evidence import ARMS, Evidence
from triptych.lecture45.verdicts import AGREES, ANOTHER_RUN, DISAGREES, NOT_TESTED

MEMORY = 8e9
"""Memory of the GPU that the three nets must fit on, in bytes: a common size at the time of the lecture."""

FIRST, SECOND = "conv1.weight", "layer1.0.conv1.weight"
"""The two convolutions of a ResNet whose kernels the lecture shows."""

VISIBLE = 1 / 32
"""A relative change that shows: one step of 65 colours from minus to plus the largest weight."""

NO_REFERENCE = "no row of that network in tables/architectures.csv"


@dataclass(frozen=True)
class Claim:
    """A claim, this run's result and the verdict. `at` is the time in the film, minute:second.

    `different` is how this run is not the lecture's, if that leaves the claim open.
    """

    at: str
    claim: str
    number: str
    verdict: str
    reason: str
    different: str = ""


def claims_table(evidence: Evidence) -> pandas.DataFrame:
    """Test every claim, in the order of the film."""
    return pandas.DataFrame([vars(test(evidence)) for test in CLAIMS])


def batch_fits(evidence: Evidence) -> Claim:
    """Agrees where the computed memory of training the three nets at batch 32 is at most MEMORY in all."""
    at, claim = "02:08", "a batch of 32 at 224 pixels fits with all three nets in memory at once"
    own = evidence.own_network()
    memory = evidence.tables["memory"]
    rows = memory[(memory["batch_size"] == 32) & memory["arm"].isin(ARMS)]
    total = float(rows["training_bytes"].sum())
    number = f"{_bytes(total)} computed for training the three, at {own['input_size']:.0f} px"
    if own["input_size"] != 224 or set(rows["arm"]) != set(ARMS):
        return Claim(at, claim, number, NOT_TESTED, "the claim is about 224 pixels and a batch of 32")
    number += (
        f"; the activations of one image take {_bytes(own['activation_bytes'])}, the weights "
        f"{_bytes(own['weight_bytes'])}"
    )
    inception = evidence.reference("inception_v3")
    if inception is not None:
        number += f" (Inception v3 at 299 px: {_bytes(inception['activation_bytes'])} of activations an image)"
    fits = total <= MEMORY
    return Claim(at, claim, number, _verdict(fits), f"{'within' if fits else 'more than'} {MEMORY / 1e9:.0f} GB")


def smaller_batch(evidence: Evidence) -> Claim:
    """Agrees where the largest batch that MEMORY holds is smaller for Inception v3 with its auxiliary head at 299
    pixels than for the three arms' network; the batch size of the previous lecture is not known.
    """
    at, claim = "02:08", "GoogLeNet took larger images and a smaller batch"
    own = evidence.own_network()
    batch = evidence.batch_that_fits(own["architecture"], own["input_size"], False, MEMORY)
    inception = evidence.batch_that_fits("inception_v3", 299, True, MEMORY)
    if batch is None or inception is None:
        return Claim(at, claim, "", NOT_TESTED, "no row of that network in tables/largest_batch.csv")
    number = (
        f"largest batch in {MEMORY / 1e9:.0f} GB, training everything: {batch:.0f} at {own['input_size']:.0f} px; "
        f"Inception v3 {inception:.0f} at 299 px"
    )
    if own["input_size"] != 224:
        return Claim(at, claim, number, NOT_TESTED, "the claim is about 224 pixels")
    return Claim(at, claim, number, _verdict(inception < batch), "computed: GoogLeNet was not trained here")


def weight_file(evidence: Evidence) -> Claim:
    """Agrees where the file of weights is within 1 % of parameters times four bytes."""
    own = evidence.own_network()
    parameters = own["parameters"]
    product, file = 4 * parameters, own["file_bytes"]
    apart = 100 * (file / product - 1)
    return Claim(
        "04:47",
        "the size of the weights’ file is the number of parameters times the precision",
        f"{parameters:,.0f} parameters x 4 bytes = {product:,.0f}; the file has {file:,.0f} bytes ({apart:+.2f} %)",
        _verdict(abs(apart) <= 1),
        "the rest is BatchNorm’s statistics, names and shapes",
    )


def eleven_million(evidence: Evidence) -> Claim:
    """Agrees where the number of parameters rounds to 11 million."""
    parameters = evidence.own_network()["parameters"]
    return Claim(
        "06:16",
        "the network has 11 million parameters",
        f"{parameters:,.0f}",
        _verdict(round(parameters / 1e6) == 11),
        "counted, with the head for this data set",
    )


def fewer_than_googlenet(evidence: Evidence) -> Claim:
    """Agrees where Inception v3 with its auxiliary head (as it is trained) has 2.25 to 2.75 times as many."""
    at, claim = "06:16", "about 2.5 times fewer parameters than GoogLeNet (torchvision’s Inception v3)"
    parameters = evidence.comparable_parameters()
    found = {auxiliary: evidence.reference("inception_v3", auxiliary) for auxiliary in (True, False)}
    parts = [
        f"{row['parameters'] / parameters:.2f} times {'with' if auxiliary else 'without'} its auxiliary head"
        for auxiliary, row in found.items()
        if row is not None
    ]
    trained = found[True]
    if trained is None:
        return Claim(at, claim, "; ".join(parts), NOT_TESTED, NO_REFERENCE)
    agrees = 2.25 <= trained["parameters"] / parameters <= 2.75
    number = f"{'; '.join(parts)} ({parameters:,.0f} parameters here, with a head like its own)"
    return Claim(at, claim, number, _verdict(agrees), "2.25 to 2.75 counts as about 2.5")


def fewer_operations(evidence: Evidence) -> Claim:
    """Agrees where Inception v3 at 299 pixels takes at least twice as many multiply-accumulates an image."""
    at, claim = "08:36", "far fewer floating point operations than GoogLeNet, so it trains faster"
    own = evidence.own_network()
    number = f"{own['macs'] / 1e9:.3g} GMAC an image at {own['input_size']:.0f} px"
    inception, googlenet = evidence.reference("inception_v3"), evidence.reference("googlenet")
    if googlenet is not None:
        number += f"; torchvision’s googlenet {googlenet['macs'] / 1e9:.3g}"
    if inception is None:
        return Claim(at, claim, number, NOT_TESTED, NO_REFERENCE)
    number += f"; Inception v3 {inception['macs'] / 1e9:.3g} at {inception['input_size']:.0f} px"
    if own["input_size"] != 224:
        return Claim(at, claim, number, NOT_TESTED, "the claim is about 224 pixels")
    agrees = inception["macs"] >= 2 * own["macs"]
    return Claim(at, claim, number, _verdict(agrees), "at least twice as many counts as far fewer; no time was taken")


def first_epoch(evidence: Evidence) -> Claim:
    """Agrees where after epoch 1 net1's train loss is the lower and the whole interval of net3's lead on the test
    images is above zero; disagrees where the train losses are the other way round, or the whole interval is below zero.
    """
    claim = "after epoch 1 net1’s train loss is below net3’s, yet net3’s test accuracy is above net1’s"
    loss = {arm: evidence.at(arm, "train_loss", 1) for arm in ("scratch", "last_layer")}
    accuracy = {arm: evidence.at(arm, "test_accuracy", 1) for arm in loss}
    low, high = evidence.difference_interval(accuracy["last_layer"], accuracy["scratch"])
    batch = evidence.arms["batch_size"]["scratch"]
    number = (
        f"train loss net1 {loss['scratch']:.3f}, net3 {loss['last_layer']:.3f} (over the batch size, as the film’s "
        f"0.03 must be: {loss['scratch'] / batch:.3f} and {loss['last_layer'] / batch:.3f}); test accuracy net1 "
        f"{accuracy['scratch']:.1f} %, net3 {accuracy['last_layer']:.1f} % (net3’s lead: {_between(low, high)} points)"
    )
    if loss["scratch"] >= loss["last_layer"]:
        decided = (DISAGREES, "net1’s train loss is not the lower one")
    elif high < 0:
        decided = (DISAGREES, "net1 is ahead on the test images")
    elif low > 0:
        decided = (AGREES, "the whole interval of net3’s lead is above zero")
    else:
        decided = (NOT_TESTED, "undecided: the interval of net3’s lead holds zero")
    return _by_the_lecture(evidence, "12:43", claim, number, *decided)


def tie_of_net1_and_net3(evidence: Evidence) -> Claim:
    """Agrees where net1 and net3 are both within 2.5 points of 80 %, the interval of their difference reaches within
    one point of zero, and net2 is `better` than both; disagrees otherwise.
    """
    claim = "after ten epochs net1 and net3 both stand at about 80 %, 0.6 apart, and net2 far above"
    final = {arm: evidence.mean("runs", arm, "test_accuracy") for arm in ARMS}
    difference, low, high, verdict = evidence.lead("scratch", "last_layer")
    number = (
        f"net1 {final['scratch']:.1f} %, net3 {final['last_layer']:.1f} %, net2 {final['finetune']:.1f} %; net1 minus "
        f"net3 {_signed(difference)} points ({_between(low, high)}, {verdict})"
    )
    against = [
        f"{net} is not within 2.5 points of 80 %"
        for net, arm in (("net1", "scratch"), ("net3", "last_layer"))
        if abs(final[arm] - 80) > 2.5
    ]
    if low > 1 or high < -1:
        against.append("net1 and net3 are more than a point apart")
    for net, arm in (("net1", "scratch"), ("net3", "last_layer")):
        ahead, _, _, word = evidence.lead("finetune", arm)
        if word != "better" or ahead < 0:
            against.append(f"net2 is not better than {net}")
    reason = "; ".join(against) or "both about 80 %, within a point of each other, net2 better than both"
    return _by_the_lecture(evidence, "14:33", claim, number, _verdict(not against), reason)


def net1_overfits(evidence: Evidence) -> Claim:
    """Agrees where net1's train accuracy rises in every epoch, its test accuracy falls in at least two, and is within
    2.5 points of 80 % at the end; disagrees otherwise.
    """
    claim = "net1 over-fits early: its train accuracy rises, its test accuracy wavers around 80 %"
    train, test = (evidence.curve("scratch", f"{split}_accuracy").dropna().loc[1:] for split in ("train", "test"))
    falls = int((test.diff() < 0).sum())
    number = (
        f"train accuracy {train.iloc[0]:.1f} to {train.iloc[-1]:.1f} %; test accuracy {test.iloc[0]:.1f} to "
        f"{test.iloc[-1]:.1f} %, falling in {falls} of {len(test) - 1} steps"
    )
    against = []
    if not (train.diff().dropna() > 0).all():
        against.append("the train accuracy does not rise in every epoch")
    if falls < 2:
        against.append("the test accuracy hardly ever falls")
    if abs(test.iloc[-1] - 80) > 2.5:
        against.append("it does not end within 2.5 points of 80 %")
    reason = "; ".join(against) or "the train accuracy always rises, the test accuracy does not"
    return _by_the_lecture(evidence, "15:47", claim, number, _verdict(not against), reason)


def net2_saturates(evidence: Evidence) -> Claim:
    """Agrees where net2's test accuracy is within a point of 93 % after epoch 1 and of 94 % at the end, and ends at
    most a point below its best; disagrees otherwise.
    """
    claim = "net2 starts at 93 %, goes to 94 % and saturates; its over-fitting does not hurt"
    test = evidence.curve("finetune", "test_accuracy").loc[1:]
    number = f"{test.iloc[0]:.1f} % after epoch 1, {test.iloc[-1]:.1f} % at the end, {test.max():.1f} % at best"
    against = []
    if abs(test.iloc[0] - 93) > 1:
        against.append("it does not start within a point of 93 %")
    if abs(test.iloc[-1] - 94) > 1:
        against.append("it does not end within a point of 94 %")
    if test.max() - test.iloc[-1] > 1:
        against.append("it ends more than a point below its best")
    reason = "; ".join(against) or "all within a point"
    return _by_the_lecture(evidence, "16:11", claim, number, _verdict(not against), reason)


def net3_rises(evidence: Evidence) -> Claim:
    """Agrees where net3's test accuracy is higher at the end than three epochs before, and the lower end of its
    interval is below 80 %; disagrees otherwise.
    """
    claim = "net3 is still rising, below 80 %"
    test = evidence.curve("last_layer", "test_accuracy").loc[1:]
    gain = test.iloc[-1] - test.iloc[-4] if len(test) > 3 else math.nan
    low, high = evidence.interval(test.iloc[-1])
    number = f"{test.iloc[-1]:.1f} % ({_between(low, high)})"
    if not math.isnan(gain):
        number += f", {_signed(gain)} points in the last three epochs"
    against = [] if gain > 0 else ["it does not rise any more"]
    if low >= 80:
        against.append("it is above 80 %")
    reason = "; ".join(against) or "it rises, and does not pass 80 % for certain"
    return _by_the_lecture(evidence, "16:28", claim, number, _verdict(not against), reason)


def two_epochs_are_enough(evidence: Evidence) -> Claim:
    """Agrees where net2's test accuracy after epoch 2 is at most the margin below the best of all epochs."""
    claim = "one or two epochs are enough for net2, where GoogLeNet needed three or four"
    test = evidence.curve("finetune", "test_accuracy").loc[1:]
    second = evidence.at("finetune", "test_accuracy", 2)
    best = int(test.index[int(test.argmax())])
    number = f"{test.iloc[0]:.1f} % after epoch 1, "
    number += "" if math.isnan(second) else f"{second:.1f} % after epoch 2, "
    number += f"at best {test.max():.1f} % (epoch {best})"
    behind = test.max() - second
    reason = f"{behind:.1f} points below the best after two epochs; GoogLeNet was not trained here"
    return _by_the_lecture(evidence, "17:02", claim, number, _verdict(behind <= evidence.margin), reason)


def residual_connections(evidence: Evidence) -> Claim:
    """Never tested: no arm trains a network without residual connections."""
    return Claim(
        "17:02",
        "so soon because residual connections leave only a small difference to be learnt",
        "",
        NOT_TESTED,
        "it takes the same network without them, pretrained and trained alike, and torchvision has none",
    )


def scratch_changes(evidence: Evidence) -> Claim:
    """Agrees where the relative change of both of net1's convolutions is at least VISIBLE; a run that is not the
    lecture's cannot disagree.
    """
    claim = "net1’s first convolution changes visibly, and so does its second"
    rows = evidence.tensor("scratch", FIRST), evidence.tensor("scratch", SECOND)
    if rows[0] is None or rows[1] is None:
        return Claim("19:12", claim, "", NOT_TESTED, f"the network has no tensor {FIRST} or {SECOND}")
    first, second = rows[0]["relative_delta"], rows[1]["relative_delta"]
    number = f"changed by {_share(first)} and {_share(second)} of their norm"
    agrees = min(first, second) >= VISIBLE
    reason = f"{_share(VISIBLE)} shows on a scale of 65 colours"
    return _change(evidence, "19:12", claim, number, agrees, reason)


def pretrained_kernels_hardly_change(evidence: Evidence) -> Claim:
    """Agrees where net2's conv1 changes by less than a quarter of its norm, and its largest single change is at least
    four times the root mean square of all: accents on little. A run that is not the lecture's cannot disagree.
    """
    claim = "the change of net2’s conv1 is near zero in most places, with accents in certain colours"
    change = evidence.tensor("finetune", FIRST)
    if change is None:
        return Claim("19:25", claim, "", NOT_TESTED, f"the network has no tensor {FIRST}")
    typical = change["delta_norm"] / math.sqrt(change["size"])
    accent = change["max_abs_delta"] / typical if typical else 0.0
    colours = evidence.of("kernel_change", "finetune")["colour_share"].mean()
    number = (
        f"changed by {_share(change['relative_delta'])} of its norm; {_share(change['near_zero_fraction'])} of the "
        f"weights by less than a thousandth of the largest; the largest change is {accent:.1f} times the typical one"
    )
    if not math.isnan(colours):
        number += f"; {_share(colours)} of the change is colour"
    agrees = change["relative_delta"] < 0.25 and accent >= 4
    reason = (
        "near zero: less than a quarter of the norm; accents: a largest change of four times the typical one. That the "
        "kernels look like gradient operators is for the eye"
    )
    return _change(evidence, "19:25", claim, number, agrees, reason)


def nothing_before_fc(evidence: Evidence) -> Claim:
    """Agrees where net2's second convolution moved, and in net3 no more numbers moved than its last layer has, none of
    them in the two convolutions shown.
    """
    claim = "net2’s second layer changes as well; in net3 nothing before fc does"
    second = evidence.tensor("finetune", SECOND)
    if second is None:
        return Claim("20:50", claim, "", NOT_TESTED, f"the network has no tensor {SECOND}")
    delta = evidence.of("weight_delta", "last_layer")
    parameters = delta[delta["kind"] == "parameter"]
    moved = parameters[parameters["unchanged_fraction"] < 1]
    size, total = (table.drop_duplicates("tensor")["size"].sum() for table in (moved, parameters))
    head = evidence.mean("runs", "last_layer", "trainable_parameters")
    names = list(dict.fromkeys(moved["tensor"]))
    number = (
        f"net2’s {SECOND} changed by {_share(second['relative_delta'])} of its norm; in net3 moved "
        f"{', '.join(names) or 'nothing'} ({size:,.0f} of {total:,.0f} numbers)"
    )
    agrees = second["unchanged_fraction"] < 1 and size <= head and not {FIRST, SECOND} & set(names)
    return Claim(
        "20:50", claim, number, _verdict(agrees), "true of the weights; for BatchNorm’s statistics see fault 6"
    )


def last_layer_converges(evidence: Evidence) -> Claim:
    """Agrees where net3's train loss moved by less than 1 % in its last epoch; else it would take a longer run."""
    claim = "with little memory or no GPU train only the last layer, longer: it will still come to a convergence"
    loss = evidence.curve("last_layer", "train_loss").dropna()
    fall = 100 * (1 - loss.iloc[-1] / loss.iloc[-2]) if len(loss) > 1 else math.nan
    memory = evidence.tables["memory"]
    at_32 = memory[memory["batch_size"] == 32].groupby("arm")["training_bytes"].first()
    number = f"train loss {loss.iloc[-1]:.3f}"
    if not math.isnan(fall):
        number += f", {abs(fall):.1f} % {'lower' if fall >= 0 else 'higher'} than an epoch before"
    if {"finetune", "last_layer"} <= set(at_32.index):
        number += f"; memory for training at batch 32: {_bytes(at_32['last_layer'])}, net2 {_bytes(at_32['finetune'])}"
    if abs(fall) < 1:
        return Claim("22:22", claim, number, AGREES, "less than 1 % an epoch counts as converged")
    return Claim("22:22", claim, number, NOT_TESTED, "still learning when this run ends; see config/corrected.yaml")


CLAIMS: tuple[Callable[[Evidence], Claim], ...] = (
    batch_fits,
    smaller_batch,
    weight_file,
    eleven_million,
    fewer_than_googlenet,
    fewer_operations,
    first_epoch,
    tie_of_net1_and_net3,
    net1_overfits,
    net2_saturates,
    net3_rises,
    two_epochs_are_enough,
    residual_connections,
    scratch_changes,
    pretrained_kernels_hardly_change,
    nothing_before_fc,
    last_layer_converges,
)
"""One function a claim, in the order of the film."""


def _verdict(agrees: bool) -> str:
    return AGREES if agrees else DISAGREES


def _by_the_lecture(evidence: Evidence, at: str, claim: str, number: str, verdict: str, reason: str) -> Claim:
    """The verdict of a run that is the lecture's; of any other, what makes it another."""
    different = evidence.unlike_the_lecture()
    if different:
        return Claim(at, claim, number, NOT_TESTED, ANOTHER_RUN, different)
    return Claim(at, claim, number, verdict, reason)


def _change(evidence: Evidence, at: str, claim: str, number: str, agrees: bool, reason: str) -> Claim:
    """A claim that weights change: only a run that is the lecture's can disagree."""
    different = "" if agrees else evidence.unlike_the_lecture()
    if different:
        return Claim(at, claim, number, NOT_TESTED, f"{reason}; {ANOTHER_RUN}", different)
    return Claim(at, claim, number, _verdict(agrees), reason)


def _share(value: float) -> str:
    """A share from 0 to 1 in percent, two significant digits."""
    text = f"{100 * value:.2g}" if value < 0.995 else f"{100 * value:.0f}"
    return f"{text} %"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "\u2212")


def _between(low: float, high: float) -> str:
    return f"{low:.1f} to {high:.1f}".replace("-", "\u2212")


def _bytes(value: float) -> str:
    return f"{value / 2**30:.2f} GiB" if value >= 2**30 else f"{value / 2**20:.1f} MiB"
