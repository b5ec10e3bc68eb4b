"""Which arm to take, decided on validation images: the rules, their reasons as codes, and the numbers that they used.

The metric is accuracy, or balanced accuracy: the mean of the recalls of all classes (setting `metric`).

1. If no arm is better than guessing, none is chosen. Guessing is the share of the most frequent class; with balanced
   accuracy it is 1 / K for K classes, whatever is guessed.
2. The leader is the arm with the highest mean of the metric; arms that it is better than are dropped.
3. Of the leader and the arms that are equivalent to it, the cheapest is taken: by computed operations, then by computed
   peak memory, then by the order of the configuration.
4. If no other arm is left, that is the decision.
5. Else it is undecided. `prefer: accurate` takes the arm of rule 3, `prefer: cheap` the cheapest arm that is left.

An arm that is not better than guessing is never taken in place of the leader.

Seeds that are added, and a further look, are another chance of a false verdict. So the level of the comparisons and of
the test of guessing is that of the first look divided by the look (`triptych.analysis.looks`). Intervals of single arms
keep their confidence.

The run of the chosen arm is that with the highest metric on the images that decide (ties: the first). With folds it is
the first fold of the seed with the highest metric of out-of-fold predictions.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
import pandas
from statsmodels.stats.multitest import multipletests

from triptych.analysis.balanced_accuracy import sampling_of
from triptych.analysis.comparisons import SEEDS_FOR_A_VERDICT, compare_arms, difference_of, exact_share
from triptych.analysis.intervals import accuracy_interval, p_of_guessing
from triptych.analysis.looks import digest_of_images, record_look
from triptych.analysis.options import parsed_json
from triptych.analysis.settling import what_settles
from triptych.analysis.variance_parts import EACH_IMAGE, Sampling
from triptych.results import schema
from triptych.results.decision import decision_digest
from triptych.results.experiment import read_numbers
from triptych.results.tables import save_table
from triptych.storage.errors import InputError
from triptych.storage.files import write_json
from triptych.storage.tensors import load_metadata, load_tensors

NO_PAIR = {"difference": 0.0, "low": None, "high": None, "scope": None, "verdict": "leader"}
"""What the table says of the leader, which is not compared with itself."""


@dataclass(frozen=True)
class Competitor:
    """An arm that may be chosen.

    Attributes:
        correct: whether each run has each image that decides right: bool [seeds, images]; with folds a row for each
            repeat of a seed, seed by seed.
        macs: computed multiply-accumulates of one run, of training and evaluation.
        peak_bytes: computed peak memory of a run.
        sampling: how the images count, and how many rows a seed has.
    """

    arm: str
    seeds: Sequence[int]
    correct: numpy.ndarray
    macs: float
    peak_bytes: float
    sampling: Sampling = EACH_IMAGE

    @property
    def share(self) -> Fraction:
        """The mean of the metric over the rows, 0 to 1, exactly."""
        return exact_share(self.correct, self.sampling)

    @property
    def accuracy(self) -> float:
        """The mean accuracy in percent."""
        return 100 * int(self.correct.sum()) / self.correct.size

    @property
    def best_seed(self) -> int:
        """The seed with the highest metric (ties: the first)."""
        by_seed = numpy.split(self.correct, len(self.seeds))
        shares = [exact_share(own, self.sampling) for own in by_seed]
        return self.seeds[shares.index(max(shares))]


@dataclass(frozen=True)
class Deciding:
    """The images that decide.

    Attributes:
        split: validation, test where there are no validation images, or out_of_fold.
        labels: int64 [images].
        classes: the number of classes.
        metric: of `schema.METRICS`.
        folds: of which one was held out of each training; None where the images were.
        repeats: how often the folds were dealt: rows of each seed.
        groups: that were drawn as a whole, int64 [images]; None where images were drawn one by one.
    """

    split: str
    labels: numpy.ndarray
    classes: int
    metric: str = "accuracy"
    folds: int | None = None
    repeats: int = 1
    groups: numpy.ndarray | None = None

    @property
    def sampling(self) -> Sampling:
        """How the images count for the metric."""
        return self.sampling_by(self.metric)

    def sampling_by(self, metric: str) -> Sampling:
        """Return how the images count for another metric."""
        return replace(sampling_of(metric, self.labels, self.groups), folds=self.folds, rows_per_seed=self.repeats)

    @property
    def chance(self) -> float:
        """The metric of the best guess that sees no image, 0 to 1.

        Of accuracy it is the share of the most frequent class, of balanced accuracy 1 over the classes with images.
        """
        images = numpy.bincount(self.labels)
        if self.metric == "balanced_accuracy":
            return 1 / int((images > 0).sum())
        return int(images.max()) / len(self.labels)


def decide(
    *,
    correct: Path,
    arms_table: Path,
    computed_cost: Path,
    comparison: str,
    index: Path | None = None,
    record: Path | None = None,
    decision: Path,
    table: Path,
) -> None:
    """Decide which arm and which run to take, by the rules of this module.

    Args:
        correct: the file of `collect_validation`.
        arms_table: `tables/arms.csv`, in the order of the configuration.
        computed_cost: `tables/computed_cost.csv`.
        comparison: JSON, `equivalence_margin`, `confidence`, `prefer` and `metric`.
        index: the table `index` of `prepare_dataset`, to tell whether the images of another decision were the same.
            Optional.
        record: the record of decisions (`triptych.analysis.looks`), to which a line is appended. Without one this is
            the first look.
        decision: the file to write: JSON, with the digest of its content.
        table: the file to write: a row for each arm that is no control, the leader first.

    Raises:
        InputError: a file is missing or broken, or does not fit another one, or every arm is a control.
    """
    settings: dict[str, Any] = parsed_json("comparison", comparison)
    arms = read_numbers(arms_table, schema.ARMS, ["arm", "label", "role"])
    costs = read_numbers(computed_cost, schema.COMPUTED_COST).set_index("arm")
    deciding, by_arm = read_correct(correct, settings["metric"])
    competitors = []
    for name in arms.loc[arms["role"] != "control", "arm"]:
        if name not in by_arm or name not in costs.index:
            raise InputError(f"{computed_cost if name in by_arm else correct}: no run of the arm {name}")
        seeds, own = by_arm[name]
        cost = costs.loc[name]
        competitors.append(
            Competitor(name, seeds, own, float(cost["macs"]), float(cost["peak_bytes"]), deciding.sampling)
        )
    if not competitors:
        raise InputError(f"{arms_table}: expected an arm that is no control, found none")
    look = 1
    if record is not None:
        images = digest_of_images(deciding.split, deciding.labels, deciding.groups, index)
        of_all = (seed for one in competitors for seed in one.seeds)
        look = record_look(record, images, of_all, deciding.repeats if deciding.folds else None)
    content = decision_of(competitors, deciding, settings, look)
    content["digest"] = decision_digest(content)
    balanced = {one.arm: balanced_interval(one.correct, deciding, settings["confidence"]) for one in competitors}
    frame = decision_table(content, dict(zip(arms["arm"], arms["label"], strict=True)), balanced)
    write_json(decision, content)
    save_table(table, frame, schema.DECISION)
    split, looked = content["images"].replace("_", "-"), f" (look {look})" if look > 1 else ""
    print(f"{content['number_of_images']} {split} images, {len(competitors)} arms: {content['verdict']}{looked}")
    shown = ["accuracy", "low", "high"]
    if deciding.metric == "balanced_accuracy":
        shown = ["balanced_accuracy", "balanced_low", "balanced_high"]
    print(frame[["rank", "arm", "n", *shown, "verdict", "chosen"]].to_string(index=False), flush=True)


def read_correct(path: Path, metric: str = "accuracy") -> tuple[Deciding, dict[str, tuple[list[int], numpy.ndarray]]]:
    """Read the file of `collect_validation`: the images that decide, and the seeds and the correct images of each arm.

    With folds an arm's rows are seed by seed, each with the repeats that every seed of every arm has.

    Raises:
        InputError: it is missing, or no such file.
    """
    metadata, tensors = load_metadata(path), load_tensors(path)
    try:
        runs, correct, labels = metadata["runs"], tensors["correct"].astype(bool), tensors["labels"]
        split, classes, folds = metadata["images"], len(metadata["classes"]), metadata.get("folds")
    except KeyError as error:
        raise InputError(f"{path}: no {error.args[0]}") from None
    if correct.shape != (len(runs), len(labels)) or not correct.size:
        raise InputError(
            f"{path}: expected correct {[len(runs), len(labels)]} (runs, images), found {list(correct.shape)}"
        )
    rows: dict[str, dict[int, dict[int, int]]] = {}
    for row, (arm, seed, *repeat) in enumerate(runs):
        rows.setdefault(arm, {}).setdefault(seed, {})[repeat[0] if repeat else 0] = row
    repeats = sorted(set.intersection(*(set(own) for seeds in rows.values() for own in seeds.values())))
    if not repeats:
        raise InputError(f"{path}: expected a repeat of the folds that every seed has, found none")
    by_arm = {
        arm: (list(seeds), correct[[own[repeat] for own in seeds.values() for repeat in repeats]])
        for arm, seeds in rows.items()
    }
    groups = tensors.get("groups")
    if groups is not None and groups.shape != labels.shape:
        raise InputError(f"{path}: expected groups {list(labels.shape)}, found {list(groups.shape)}")
    return Deciding(split, labels, classes, metric, folds, len(repeats), groups), by_arm


def decision_of(
    competitors: Sequence[Competitor], deciding: Deciding, settings: Mapping[str, Any], look: int = 1
) -> dict[str, Any]:
    """Return the content of `decision.json` but its digest.

    Args:
        competitors: in the order of the configuration; at least one.
        settings: the section `comparison` of the configuration.
        look: at the same images, from 1.
    """
    table = compare_arms(
        {one.arm: one.correct for one in competitors},
        margin=settings["equivalence_margin"],
        confidence=settings["confidence"],
        look=look,
        sampling=deciding.sampling,
    )
    pairs = [
        {str(key): None if pandas.isna(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]
    ranking = ranking_of(in_rank(competitors), deciding, settings["confidence"], look)
    better = {entry["arm"] for entry in ranking if entry["beats_guessing"]}
    if better:
        choice = choose(competitors, pairs, settings["prefer"], better)
    else:
        smallest = min(entry["p_guessing"] for entry in ranking)
        reason = {"code": "no_arm_beats_guessing", "chance": 100 * deciding.chance, "p_value": smallest}
        choice = {"verdict": "not_better_than_guessing", "candidates": [], "chosen": None, "reasons": [reason]}
    if deciding.folds and choice["chosen"]:
        choice["chosen"] |= {"fold": 0}
    return {
        "images": deciding.split,
        "number_of_images": len(deciding.labels),
        "classes": deciding.classes,
        "chance": 100 * deciding.chance,
        **{key: settings[key] for key in ("confidence", "equivalence_margin", "prefer")},
        # without, a decision by accuracy is the same bytes as before there was a choice
        **({"metric": deciding.metric} if deciding.metric != "accuracy" else {}),
        **({"folds": deciding.folds, "repeats": deciding.repeats} if deciding.folds else {}),
        **({"groups": deciding.sampling.units(len(deciding.labels))} if deciding.groups is not None else {}),
        **({"look": look} if look > 1 else {}),
        "ranking": ranking,
        "pairs": pairs,
        **choice,
        "settling": settling_of(competitors, pairs, settings["equivalence_margin"], settings["confidence"], look),
    }


def in_rank(competitors: Sequence[Competitor]) -> list[Competitor]:
    """Return the arms, that with the highest mean of the metric first (ties: in the order of the configuration)."""
    return sorted(competitors, key=lambda one: -one.share)


def ranking_of(
    ranked: Sequence[Competitor], deciding: Deciding, confidence: float, look: int = 1
) -> list[dict[str, Any]]:
    """Return what is known about each arm by itself; the p-values are corrected by Holm's method for their number.

    The accuracy and its interval are there in any case; the balanced accuracy where that decides.
    """
    p_values = [p_of_guessing(one.correct, deciding.chance, deciding.sampling) for one in ranked]
    values = multipletests(p_values, method="holm")[1]
    entries = []
    for one, value in zip(ranked, values, strict=True):
        low, high = accuracy_interval(one.correct, confidence, deciding.sampling_by("accuracy"))
        entries.append(
            {
                "arm": one.arm,
                "seeds": list(one.seeds),
                "accuracy": one.accuracy,
                "low": low,
                "high": high,
                "p_guessing": float(value),
                "beats_guessing": bool(value < (1 - confidence) / look),
                "macs": one.macs,
                "peak_bytes": one.peak_bytes,
            }
        )
        if deciding.metric == "balanced_accuracy":
            entries[-1] |= balanced_interval(one.correct, deciding, confidence)
    return entries


def balanced_interval(correct: numpy.ndarray, deciding: Deciding, confidence: float) -> dict[str, float]:
    """Return an arm's balanced accuracy in percent, and both ends of its interval.

    Args:
        correct: bool [seeds x repeats, images].
    """
    sampling = deciding.sampling_by("balanced_accuracy")
    low, high = accuracy_interval(correct, confidence, sampling)
    share = float(100 * exact_share(correct, sampling))
    return {"balanced_accuracy": share, "balanced_low": low, "balanced_high": high}


def choose(
    competitors: Sequence[Competitor], pairs: Sequence[Mapping[str, Any]], prefer: str, better_than_guessing: Set[str]
) -> dict[str, Any]:
    """Return the verdict, the candidates, the choice and the reasons by rules 2 to 5.

    Args:
        competitors: in the order of the configuration.
        pairs: the comparisons of `compare_arms`; the leader is `arm_a` of its own.
        prefer: accurate or cheap.
        better_than_guessing: the arms that may be taken in place of the leader.
    """
    leader, *others = in_rank(competitors)
    of_leader = {pair["arm_b"]: pair for pair in pairs if pair["arm_a"] == leader.arm}
    with_leader = [of_leader[other.arm] for other in others]
    arms = {kind: [pair["arm_b"] for pair in with_leader if pair["verdict"] == kind] for kind in schema.VERDICTS}
    equivalent = [leader.arm, *arms["equivalent"]]
    candidates = [leader.arm, *(pair["arm_b"] for pair in with_leader if pair["verdict"] != "better")]
    undecided = bool(arms["undecided"])
    eligible = candidates if undecided and prefer == "cheap" else equivalent
    # of equals `min` takes the first, in the order of the configuration
    taken = [one for one in competitors if one.arm in eligible and one.arm in {leader.arm, *better_than_guessing}]
    chosen = min(taken, key=lambda one: (one.macs, one.peak_bytes))
    reasons = [
        {"code": code, "arm": pair["arm_b"], **by, **{key: pair[key] for key in ("difference", "low", "high")}}
        for kind, code, by in (("better", "dropped", {"by": leader.arm}), ("equivalent", "equivalent", {}))
        for pair in with_leader
        if pair["verdict"] == kind
    ]
    cost = {
        "arm": chosen.arm,
        "macs": chosen.macs,
        "leader_macs": leader.macs,
        "peak_bytes": chosen.peak_bytes,
        "leader_peak_bytes": leader.peak_bytes,
    }
    if undecided:
        reasons.append({"code": "undecided", "arms": arms["undecided"]})
    if len(equivalent) > 1 and eligible is equivalent:
        reasons.append({"code": "cheapest_equivalent", **cost})
    if undecided:
        reasons.append(
            {"code": "preferred_cheap", **cost}
            if prefer == "cheap"
            else {"code": "preferred_accurate", "arm": chosen.arm}
        )
    if not with_leader:
        reasons.append({"code": "only_arm", "arm": leader.arm})
    elif len(arms["better"]) == len(with_leader):
        reasons.append({"code": "best", "arm": leader.arm, "p_value": max(pair["p_value"] for pair in with_leader)})
    alone = "better" if with_leader else "only_arm"
    return {
        "verdict": "undecided" if undecided else "equivalent" if arms["equivalent"] else alone,
        "candidates": candidates,
        "chosen": {"arm": chosen.arm, "seed": chosen.best_seed},
        "reasons": reasons,
    }


def settling_of(
    competitors: Sequence[Competitor],
    pairs: Sequence[Mapping[str, Any]],
    margin: float,
    confidence: float,
    look: int = 1,
) -> dict[str, dict[str, Any] | None]:
    """Return what would settle each comparison with the leader that is undecided: by the other arm, a `Settlement`.

    None where an arm has a single run. More seeds are decided on at the next look
    (`triptych.analysis.looks`), other images at the first.

    Args:
        competitors: in the order of the configuration.
        pairs: the comparisons of `compare_arms`.
        margin: of equivalence, in points.
        look: of the comparisons.
    """
    leader, *others = in_rank(competitors)
    following = look + (len({seed for one in competitors for seed in one.seeds}) >= SEEDS_FOR_A_VERDICT)
    undecided = {pair["arm_b"] for pair in pairs if pair["arm_a"] == leader.arm and pair["verdict"] == "undecided"}
    found: dict[str, dict[str, Any] | None] = {}
    for other in others:
        if other.arm in undecided:
            difference = difference_of(leader.correct, other.correct, leader.sampling)
            settlement = what_settles(difference, margin, confidence, following)
            found[other.arm] = None if settlement is None else asdict(settlement)
    return found


def decision_table(
    content: Mapping[str, Any], labels: Mapping[str, str], balanced: Mapping[str, Mapping[str, float]]
) -> pandas.DataFrame:
    """Return the table `decision`.

    Args:
        content: of `decision.json`.
        labels: of the arms, by arm.
        balanced: `balanced_interval` of each arm.
    """
    leader = content["ranking"][0]["arm"]
    against = {pair["arm_b"]: pair for pair in content["pairs"] if pair["arm_a"] == leader}
    chosen = content["chosen"] and content["chosen"]["arm"]
    rows = []
    for rank, entry in enumerate(content["ranking"], start=1):
        pair = against.get(entry["arm"], NO_PAIR)
        rows.append(
            {
                "rank": rank,
                "arm": entry["arm"],
                "label": labels[entry["arm"]],
                "n": len(entry["seeds"]),
                **{key: entry[key] for key in ("accuracy", "low", "high", "p_guessing")},
                "beats_guessing": int(entry["beats_guessing"]),
                "difference": pair["difference"],
                "difference_low": pair["low"],
                "difference_high": pair["high"],
                "scope": pair["scope"],
                "verdict": pair["verdict"],
                **{key: entry[key] for key in ("macs", "peak_bytes")},
                "candidate": int(entry["arm"] in content["candidates"]),
                "chosen": int(entry["arm"] == chosen),
                **balanced[entry["arm"]],
            }
        )
    return pandas.DataFrame(rows, columns=schema.DECISION.names)
