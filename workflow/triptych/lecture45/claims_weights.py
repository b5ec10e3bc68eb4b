"""The claims about weights: which change, and what the pictures of kernels show.

A picture of noise shows something too, so amplitude alone decides none of them. Each number has a bound that noise in
place of the kernels, or of their change, passes in at most 1 of 20 cases, whatever the size of the noise.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

import pandas
from scipy import stats

from triptych.lecture45.evidence import Evidence, of_the_lecture
from triptych.lecture45.kernels import VISIBLE, Convolution, Kernels
from triptych.lecture45.rules import FIRST, LEVEL, SECOND, Claim, Clause, share, verdict_of
from triptych.lecture45.verdicts import NOT_TESTED

MOST = 0.5
"""More than this share of places, or of kernels, is most of them."""


def scratch_changes(evidence: Evidence) -> Claim:
    """Agrees where in both of net1's convolutions the typical (root mean square) change is at least VISIBLE of the
    largest weight before training, which is what a picture's colours are stretched to, and neighbouring weights change
    together: noise has no such structure, however large it is.
    """
    at, claim = "19:12", "net1’s first convolution changes visibly, and so does its second"
    rows = {name: evidence.tensor("scratch", name) for name in (FIRST, SECOND)}
    if any(row is None for row in rows.values()):
        return Claim(at, claim, "", NOT_TESTED, f"the network has no tensor {FIRST} or {SECOND}")
    runs = evidence.kernels.get("scratch", ())
    measured = {FIRST: [run.first for run in runs], SECOND: [run.second for run in runs]}
    clauses, parts = [], []
    for name, row in rows.items():
        assert row is not None
        step, structure = _largest(measured[name]), _structure(measured[name])
        steps = math.nan if step is None else _typical(row) / (VISIBLE * step)
        parts.append(
            f"{name} changed by {share(row['relative_delta'])} of its norm"
            + ("" if step is None else f", typically by {steps:.1f} steps that show")
            + ("" if structure is None else f", neighbours alike by {structure:.0f} standard deviations of noise")
        )
        clauses += [
            Clause(f"the typical change of {name} shows", steps >= 1, step is not None),
            Clause(f"it has structure that noise has not ({name})", _beyond_noise(structure), structure is not None),
        ]
    number = f"{'; '.join(parts)} (a step that shows: {share(VISIBLE)} of the largest weight)"
    return of_the_lecture(evidence, at, claim, number, clauses)


def gradient_operators(evidence: Evidence) -> Claim:
    """Agrees where most of net2's first kernels are gradient operators before training: one oriented wave whose weights
    cancel (`is_gradient_operator`). Noise passes in 1 of 20 kernels, so most of them in practice never.
    """
    at, claim = "19:25", "net2’s pretrained conv1 kernels look like gradient operators"
    found = {arm: _operators(evidence.kernels.get(arm, ())) for arm in ("finetune", "scratch")}
    operators = found["finetune"]
    if operators is None:
        return Claim(at, claim, "", NOT_TESTED, "the kernels of this run are not known, or it has no first convolution")
    number = f"{operators[0]:.0f} of {operators[1]:.0f} kernels are one oriented wave whose weights cancel"
    if found["scratch"] is not None:
        number += f"; of net1’s random ones {found['scratch'][0]:.0f} of {found['scratch'][1]:.0f}"
    source = evidence.configuration["weights"]["source"]
    if source != "torchvision":
        return Claim(at, claim, number, NOT_TESTED, f"the pretrained weights are from {source}, not torchvision")
    agrees = operators[0] > MOST * operators[1]
    reason = "more than half count; of noise 5 % would"
    return Claim(at, claim, number, verdict_of(agrees), reason, evidence.other_files())


def pretrained_kernels_hardly_change(evidence: Evidence) -> Claim:
    """Agrees where (a) most weights of net2's conv1 change by less than a thousandth of the largest weight, as in
    `near_zero_fraction`: ten steps of Adam; (b) the largest change is above the largest of as much normal noise in 95
    of 100 cases, in units of the typical one; (c) in the place of each kernel that changes most more than half of the
    change is colour, and one colour leads more often than noise's one in three (chi-squared test at 5 %); (d) a kernel
    changes by a step that shows. Where no colour leads beyond noise, (c) is open.
    """
    at = "19:25"
    claim = (
        "the change of net2’s conv1 is near zero in most places, with accents in certain colours; some kernels change"
    )
    change = evidence.tensor("finetune", FIRST)
    if change is None:
        return Claim(at, claim, "", NOT_TESTED, f"the network has no tensor {FIRST}")
    typical, bound = _typical(change), stats.norm.isf(LEVEL / 2 / change["size"])
    accent = change["max_abs_delta"] / typical if typical else 0.0
    colours = evidence.of("kernel_change", "finetune")["colour_share"].mean()
    number = (
        f"changed by {share(change['relative_delta'])} of its norm; {share(change['near_zero_fraction'])} of the "
        f"weights by less than a thousandth of the largest; the largest change is {accent:.1f} times the typical one "
        f"(noise: up to {bound:.1f})"
    )
    if not math.isnan(colours):
        number += f"; {share(colours)} of the change is colour (noise: 67 %)"
    runs = evidence.kernels.get("finetune", ())
    accents, visible = _accents(runs), _visible(runs)
    if accents is not None:
        counts, colour = accents
        by_colour = ", ".join(f"{name} {count:.0f}" for name, count in counts.items())
        number += f"; the kernels’ largest changes are {share(colour)} colour, in {by_colour}"
    largest = _largest([run.first for run in runs])
    steps = math.nan if largest is None else change["max_abs_delta"] / (VISIBLE * largest)
    if largest is not None:
        number += f"; the largest change is {steps:.3g} steps that show ({share(VISIBLE)} of the largest weight)"
    if visible is not None:
        number += f", which {visible[0]:.0f} of {visible[1]:.0f} kernels reach"
    clauses = [
        Clause("near zero in most places", bool(change["near_zero_fraction"] > MOST)),
        Clause("accents beyond noise", bool(accent > bound)),
        Clause("in certain colours", None if accents is None else _certain(*accents), accents is not None),
        Clause("some kernels change by a step that shows", bool(steps >= 1), largest is not None),
    ]
    return of_the_lecture(evidence, at, claim, number, clauses)


def nothing_before_fc(evidence: Evidence) -> Claim:
    """Agrees where net2's second convolution moved, and in net3 no more numbers moved than its last layer has, none of
    them in the two convolutions shown. Every run tests it: exactly zero is exact in any run.
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
        f"net2’s {SECOND} changed by {share(second['relative_delta'])} of its norm; in net3 moved "
        f"{', '.join(names) or 'nothing'} ({size:,.0f} of {total:,.0f} numbers)"
    )
    agrees = second["unchanged_fraction"] < 1 and size <= head and not {FIRST, SECOND} & set(names)
    return Claim(
        "20:50", claim, number, verdict_of(agrees), "true of the weights; for BatchNorm’s statistics see fault 6"
    )


def _typical(row: pandas.Series) -> float:
    """The root mean square change of a tensor's weights."""
    return float(row["delta_norm"] / math.sqrt(row["size"]))


def _largest(runs: Sequence[Convolution]) -> float | None:
    found = [run.largest_weight for run in runs if run.largest_weight is not None]
    return max(found) if found else None


def _structure(runs: Sequence[Convolution]) -> float | None:
    """The smallest of the seeds."""
    found = [run.structure for run in runs if run.structure is not None]
    return min(found) if found else None


def _beyond_noise(structure: float | None) -> bool | None:
    """Whether neighbours change together; open where noise would do as much."""
    return True if structure is not None and structure > stats.norm.isf(LEVEL) else None


def _operators(runs: Sequence[Kernels]) -> tuple[float, float] | None:
    """Gradient operators and kernels, means over seeds."""
    found = [(run.gradient_operators, run.kernels) for run in runs if run.gradient_operators is not None]
    return _means(found)


def _visible(runs: Sequence[Kernels]) -> tuple[float, float] | None:
    """Kernels that change by a step that shows, and kernels, means over seeds."""
    return _means([(run.visible, run.kernels) for run in runs if run.visible is not None])


def _means(pairs: Sequence[tuple[int, int]]) -> tuple[float, float] | None:
    if not pairs:
        return None
    return statistics.fmean(first for first, _ in pairs), statistics.fmean(second for _, second in pairs)


def _accents(runs: Sequence[Kernels]) -> tuple[Mapping[str, float], float] | None:
    """In how many kernels the largest change is in each colour, and the share of it that is colour; means over
    seeds.
    """
    found = [run for run in runs if run.accents]
    if not found:
        return None
    colour = statistics.fmean(run.accent_colour for run in found if run.accent_colour is not None)
    counts = {name: statistics.fmean((run.accents or {})[name] for run in found) for name in found[0].accents or {}}
    return counts, colour


def _certain(counts: Mapping[str, float], colour: float) -> bool | None:
    """Whether accents are in certain colours; open where no colour leads by more than chance."""
    if colour <= MOST:
        return False
    return True if stats.chisquare(list(counts.values())).pvalue <= LEVEL else None


CLAIMS: tuple[Callable[[Evidence], Claim], ...] = (
    scratch_changes,
    gradient_operators,
    pretrained_kernels_hardly_change,
    nothing_before_fc,
)
"""In the order of the film."""
