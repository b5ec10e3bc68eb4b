"""The claims about the network: its memory, its size, its operations. Every run tests them."""

import math
from collections.abc import Callable

from triptych.lecture45.evidence import ARMS, Evidence
from triptych.lecture45.rules import NO_REFERENCE, Claim, in_bytes, verdict_of
from triptych.lecture45.verdicts import NOT_TESTED

MEMORY = 8e9
"""Memory of the GPU that the three nets must fit on, in bytes: a common size at the time of the lecture."""

BATCH = 32
"""The lecture's batch size."""

MOMENTS = 2 * 4
"""Bytes that Adam holds for each parameter that it updates, in float32."""


def batch_fits(evidence: Evidence) -> Claim:
    """Agrees where the computed memory of training the three nets at batch 32 is at most MEMORY in all, with the graph
    of net3 kept as in the notebook: its trunk is not frozen (fault 5), so it holds the activations and the gradients of
    net2, and only Adam's moments of its head.
    """
    at, claim = "02:08", "a batch of 32 at 224 pixels fits with all three nets in memory at once"
    own = evidence.own_network()
    memory = evidence.tables["memory"]
    rows = memory[(memory["batch_size"] == BATCH) & memory["arm"].isin(ARMS)].set_index("arm")["training_bytes"]
    if own["input_size"] != 224 or set(rows.index) != set(ARMS):
        number = f"{in_bytes(rows.sum())} computed for training the three, at {own['input_size']:.0f} px"
        return Claim(at, claim, number, NOT_TESTED, "the claim is about 224 pixels and a batch of 32")
    trunk = evidence.mean("runs", "finetune", "trainable_parameters") - evidence.mean(
        "runs", "last_layer", "trainable_parameters"
    )
    kept = rows["finetune"] - MOMENTS * trunk
    notebook = rows["scratch"] + rows["finetune"] + kept
    number = (
        f"{in_bytes(notebook)} computed for training the three at {own['input_size']:.0f} px with net3’s graph kept, "
        f"as in the notebook (net3 {in_bytes(kept)}); {in_bytes(rows.sum())} with its trunk frozen, as here (net3 "
        f"{in_bytes(rows['last_layer'])}). The activations of one image take {in_bytes(own['activation_bytes'])}, the "
        f"weights {in_bytes(own['weight_bytes'])}"
    )
    inception = evidence.reference("inception_v3")
    if inception is not None:
        number += f" (Inception v3 at 299 px: {in_bytes(inception['activation_bytes'])} of activations an image)"
    fits = notebook <= MEMORY
    return Claim(at, claim, number, verdict_of(fits), f"{'within' if fits else 'more than'} {MEMORY / 1e9:.0f} GB")


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
    return Claim(at, claim, number, verdict_of(inception < batch), "computed: GoogLeNet was not trained here")


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
        verdict_of(abs(apart) <= 1),
        "the rest is BatchNorm’s statistics, names and shapes",
    )


def eleven_million(evidence: Evidence) -> Claim:
    """Agrees where the number of parameters rounds to 11 million."""
    parameters = evidence.own_network()["parameters"]
    return Claim(
        "06:16",
        "the network has 11 million parameters",
        f"{parameters:,.0f}",
        verdict_of(round(parameters / 1e6) == 11),
        "counted, with the head for this data set",
    )


def fewer_than_googlenet(evidence: Evidence) -> Claim:
    """Agrees where Inception v3 has 2.5 times as many, to the two digits that are said, with or without its auxiliary
    head: fault 16 calls every other number a fault.
    """
    at, claim = "06:16", "about 2.5 times fewer parameters than GoogLeNet (torchvision’s Inception v3)"
    parameters = evidence.comparable_parameters()
    found = {auxiliary: evidence.reference("inception_v3", auxiliary) for auxiliary in (True, False)}
    ratios = {auxiliary: row["parameters"] / parameters for auxiliary, row in found.items() if row is not None}
    parts = [
        f"{ratio:.2f} times {'with' if auxiliary else 'without'} its auxiliary head"
        for auxiliary, ratio in ratios.items()
    ]
    if True not in ratios:
        return Claim(at, claim, "; ".join(parts), NOT_TESTED, NO_REFERENCE)
    agrees = any(math.isclose(ratio, 2.5, abs_tol=0.05) for ratio in ratios.values())
    number = f"{'; '.join(parts)} ({parameters:,.0f} parameters here, with a head like its own)"
    return Claim(at, claim, number, verdict_of(agrees), "2.45 to 2.55 is 2.5 to the digits said (fault 16)")


def fewer_operations(evidence: Evidence) -> Claim:
    """Agrees where Inception v3 at 299 pixels takes at least twice as many multiply-accumulates an image."""
    at, claim = "08:36", "far fewer floating point operations than GoogLeNet"
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
    return Claim(at, claim, number, verdict_of(agrees), "at least twice as many (Inception v3) counts as far fewer")


def trains_faster(evidence: Evidence) -> Claim:
    """Never tested: no arm trains a GoogLeNet, and fewer operations do not always take less time."""
    return Claim(
        "08:36", "so it trains faster than GoogLeNet", "", NOT_TESTED, "GoogLeNet was not trained or timed here"
    )


CLAIMS: tuple[Callable[[Evidence], Claim], ...] = (
    batch_fits,
    smaller_batch,
    weight_file,
    eleven_million,
    fewer_than_googlenet,
    fewer_operations,
    trains_faster,
)
"""In the order of the film."""
