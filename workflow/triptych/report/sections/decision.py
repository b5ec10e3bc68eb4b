"""The decision: which arm is chosen, on which images and why, and how often test images were opened after it.

It is worded from `decision.json`, which holds the reasons as codes with their numbers. Nothing here decides anything.
"""

from collections.abc import Mapping
from typing import Any

import pandas

from triptych.report import formatting as words
from triptych.report.blocks import ARM, Block, Bullets, Column, Details, Section, Table, arm_cell
from triptych.results.experiment import Results
from triptych.results.schema import UNOPENED
from triptych.storage.errors import InputError

DIGEST = 8
"""The characters of a decision's digest that name it."""

Lead = tuple[float, float, float, str]
"""By how many points an arm is ahead of another, the interval of that, and the verdict."""


def blocks(results: Results) -> list[Block]:
    return [
        table(results),
        Bullets([*reasons(results), *openings(results), *opened_otherwise(results)]),
        Details("Rules", [Bullets(rules(results))]),
    ]


SECTION = Section("decision", "Decision", blocks)


def decided(results: Results) -> Mapping[str, Any]:
    """The content of `decision.json`.

    Raises:
        InputError: it was not read.
    """
    if results.decision is None:
        raise InputError(f"{results.report_folder / 'decision.json'}: the decision is missing")
    return results.decision


def chosen_arm(results: Results) -> str | None:
    """The arm that is chosen, if any."""
    chosen = decided(results)["chosen"]
    return chosen and str(chosen["arm"])


def deciding_images(results: Results) -> str:
    """The number and the split of the images that decide, such as `200 validation images`."""
    decision = decided(results)
    return words.plural(decision["number_of_images"], f"{decision['images']} image")


def pairs(results: Results) -> pandas.DataFrame:
    """The comparisons of the decision, as the table `comparisons` has them."""
    return pandas.DataFrame(decided(results)["pairs"])


def lead(results: Results, first: str, second: str) -> Lead:
    """The accuracy of an arm minus that of another on the images that decide.

    Raises:
        InputError: the two arms are not compared.
    """
    for pair in decided(results)["pairs"]:
        if {pair["arm_a"], pair["arm_b"]} == {first, second}:
            sign = 1 if pair["arm_a"] == first else -1
            low, high = sorted((sign * pair["low"], sign * pair["high"]))
            return sign * pair["difference"], low, high, pair["verdict"]
    raise InputError(f"{results.report_folder / 'decision.json'}: {first} and {second} are not compared")


def price(results: Results, arm: str) -> tuple[float, float]:
    """Computed operations and computed peak memory of one run of an arm."""
    entry = results.ranking[arm]
    return float(entry["macs"]), float(entry["peak_bytes"])


def cost(results: Results, arm: str) -> str:
    """The computed cost of a run in words."""
    operations, memory = price(results, arm)
    return f"{words.operations(operations)} and {words.size(memory)}"


def rules(results: Results) -> list[str]:
    """Which images decide, and by which rules."""
    halved = (results.arms["keep"] == "best").any() or results.arms["patience"].notna().any()
    half = " (half of them; the other half selects epochs)" if halved and decided(results)["images"] != "test" else ""
    preferred = {
        "accurate": "the cheapest of the most accurate arm and those equivalent to it",
        "cheap": "the cheapest arm that is left",
    }[decided(results)["prefer"]]
    return [
        f"{deciding_images(results)}{half} decide.",
        "No arm is chosen if none beats guessing beyond doubt.",
        "Arms that the most accurate arm is better than are dropped.",
        "Of the most accurate arm and those equivalent to it the cheapest is chosen: by computed operations, then by "
        "computed peak memory, then by the order of the configuration.",
        f"If arms are left for which that is undecided, {preferred} is chosen (prefer: {decided(results)['prefer']}).",
        "Of its runs the one with the highest accuracy is chosen.",
    ]


def table(results: Results) -> Table:
    """Every arm that is no control: its accuracy on the images that decide, the leader's lead, its cost, the choice."""
    decision = decided(results)
    guessing = not all(entry["beats_guessing"] for entry in decision["ranking"])
    interval = words.interval(results.confidence)
    columns = [
        ARM,
        Column("accuracy", f"Mean accuracy on the {decision['images']} images that decide (%). Below: {interval}."),
        *([Column("guessing", "Probability of such an accuracy by guessing (Holm’s correction).")] if guessing else []),
        Column("behind", f"Lead of the most accurate arm over this one, in points. Below: {interval}."),
        Column("verdict", "On this arm, beside the most accurate one.", "verdict"),
        Column("operations", "Computed multiply-accumulates of one run, of training and evaluation."),
        Column("peak memory", "Computed: the larger of training and evaluation."),
        Column("choice", "candidate: may be taken as well; no arm is better.", "text"),
    ]
    leader, rows = results.contestants[0], []
    for arm, entry in results.ranking.items():
        difference, low, high, verdict = (0.0, 0.0, 0.0, "leader") if arm == leader else lead(results, leader, arm)
        macs, peak = price(results, arm)
        rows.append(
            [
                arm_cell(results, arm),
                (words.percent(entry["accuracy"]), words.between(entry["low"], entry["high"])),
                *([_p(entry["p_guessing"])] if guessing else []),
                words.NOTHING if arm == leader else (words.number(difference), words.between(low, high)),
                "worse" if verdict == "better" else verdict,
                words.operations(macs),
                words.size(peak),
                _choice(results, arm),
            ]
        )
    provisional = "Provisional: " if results.mode == UNOPENED else ""
    return Table(f"{provisional}{deciding_images(results)} decide", columns, rows, "tables/decision.csv", stacks=True)


def _choice(results: Results, arm: str) -> str:
    if chosen_arm(results) is None:
        return words.NOTHING
    if arm == chosen_arm(results):
        return "chosen"
    return "candidate" if arm in decided(results)["candidates"] else "dropped"


def _p(value: float) -> str:
    return f"p{words.NO_BREAK}{words.p_value(value)}"


def reasons(results: Results) -> list[str]:
    """Every reason of the decision in a sentence; arms that are dropped or equivalent share one."""
    leader = results.name_of(results.contestants[0])
    found = decided(results)["reasons"]
    if any(reason["code"] == "best" for reason in found):
        found = [reason for reason in found if reason["code"] != "dropped"]  # it says as much
    by_code = {code: [reason for reason in found if reason["code"] == code] for code in ("dropped", "equivalent")}
    sentences = []
    for code, text in (
        ("dropped", f"{leader} is better than"),
        ("equivalent", f"Equivalent to {leader}, within {words.plural(results.margin, 'point')}:"),
    ):
        if by_code[code]:
            names = words.listing([results.name_of(reason["arm"]) for reason in by_code[code]])
            sentences.append(f"{text} {names}.")
    return sentences + [_reason(results, reason) for reason in found if reason["code"] not in by_code]


def _reason(results: Results, reason: Mapping[str, Any]) -> str:
    """A reason of the decision in a sentence."""
    leader = results.name_of(results.contestants[0])
    named = results.name_of(reason["arm"]) if "arm" in reason else ""
    match reason["code"]:
        case "only_arm":
            return f"{named} is the only arm that can be chosen."
        case "no_arm_beats_guessing":
            return (
                f"No arm beats guessing ({words.percent(reason['chance'])}, the most frequent class) beyond doubt: the "
                f"smallest p is {words.p_value(reason['p_value']).removeprefix(f'={words.NO_BREAK}')}."
            )
        case "best":
            return f"{named} is better than every other arm (largest p {words.p_value(reason['p_value'])})."
        case "undecided":
            return (
                f"Undecided: whether {leader} is better than {words.listing(results.names_of(reason['arms']), 'or')}."
            )
        case "cheapest_equivalent":
            if (reason["macs"], reason["peak_bytes"]) == (reason["leader_macs"], reason["leader_peak_bytes"]):
                return f"{named} comes first: of the equivalent arms none is cheaper ({_cost(reason)}, computed)."
            return (
                f"{named} is the cheapest of these: {_cost(reason)}, computed ({leader}: {_cost(reason, 'leader_')})."
            )
        case "preferred_accurate":
            return f"{named} is preferred until that is decided (prefer: accurate)."
        case "preferred_cheap":
            return (
                f"{named} is preferred until that is decided (prefer: cheap): {_cost(reason)}, computed ({leader}: "
                f"{_cost(reason, 'leader_')})."
            )
        case code:
            raise InputError(f"{results.report_folder / 'decision.json'}: unknown reason {code!r:.60}")


def _cost(reason: Mapping[str, Any], prefix: str = "") -> str:
    """The computed cost in a reason."""
    return f"{words.operations(reason[f'{prefix}macs'])} and {words.size(reason[f'{prefix}peak_bytes'])}"


def openings(results: Results) -> list[str]:
    """How often test images were opened, and under which decisions; nothing where they are opened in training."""
    if results.opened is None:
        return []
    names = [digest[:DIGEST] for digest in results.opened["decisions"]]
    under = f"decision{'s' if len(names) > 1 else ''} {words.listing(names)}" if names else "no decision"
    text = (
        f"Recorded openings of the test images: {words.count(results.opened['openings'])}, for "
        f"{words.plural(len(results.opened['runs']), 'run')}, under {under}."
    )
    present = decided(results)["digest"]
    return [text if results.opened["decisions"] == [present] else f"{text} The present one is {present[:DIGEST]}."]


def opened_otherwise(results: Results) -> list[str]:
    """The runs whose test results were opened under another decision than the present one, in a sentence."""
    by_decision: dict[tuple[str, str], list[str]] = {}
    for arm, seed, digest in results.opened["runs"] if results.opened else ():
        if digest != decided(results)["digest"]:
            by_decision.setdefault((digest, arm), []).append(str(seed))
    if not by_decision:
        return []
    named = [
        f"{results.name_of(arm)}, {'seed' if len(seeds) == 1 else 'seeds'} {words.listing(seeds)} ({digest[:DIGEST]})"
        for (digest, arm), seeds in by_decision.items()
    ]
    return [f"Opened under another decision than the present one: {'; '.join(named)}."]
