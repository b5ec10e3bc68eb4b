"""The decision: which arm is chosen, on which images and why, and how often test images were read after it.

It is worded from `decision.json`, which holds the reasons as codes with their numbers. Nothing here decides anything.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas

from triptych.analysis.optimism import optimism
from triptych.report import formatting as words
from triptych.report.blocks import ARM, Block, Bullets, Column, Details, Section, Table, arm_cell
from triptych.results.experiment import Results
from triptych.results.schema import COMPARISONS, OF_ARMS, OF_NETWORKS, OF_TWO_SEEDS, TEXT
from triptych.storage.errors import InputError

DIGEST = 8
"""The characters of a decision's digest that name it."""

Lead = tuple[float, float, float, str]
"""By how many points an arm is ahead of another, the interval of that, and the verdict."""


def blocks(results: Results) -> list[Block]:
    return [
        table(results),
        Bullets(
            [
                *reasons(results),
                *looked(results),
                *flattered(results),
                *of_groups(results),
                *openings(results),
                *opened_otherwise(results),
            ]
        ),
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


def deciding_split(results: Results) -> str:
    """What the images that decide are: validation, test or out-of-fold."""
    return str(decided(results)["images"]).replace("_", "-")


def deciding_images(results: Results) -> str:
    """The number and the split of the images that decide, such as `200 validation images`."""
    return words.plural(decided(results)["number_of_images"], f"{deciding_split(results)} image")


def pairs(results: Results) -> pandas.DataFrame:
    """The comparisons of the decision, as the table `comparisons` has them."""
    numbers = [column.name for column in COMPARISONS.columns if column.kind != TEXT]
    found = pandas.DataFrame(decided(results)["pairs"], columns=COMPARISONS.names)
    return found.astype(dict.fromkeys(numbers, float))  # JSON's null is NaN


def pair_of(results: Results, first: str, second: str) -> Mapping[str, Any]:
    """The comparison of two arms on the images that decide, in either order.

    Raises:
        InputError: the two arms are not compared.
    """
    for pair in decided(results)["pairs"]:
        if {pair["arm_a"], pair["arm_b"]} == {first, second}:
            return dict(pair)
    raise InputError(f"{results.report_folder / 'decision.json'}: {first} and {second} are not compared")


def lead(results: Results, first: str, second: str) -> Lead:
    """The metric of an arm minus that of another on the images that decide.

    Raises:
        InputError: the two arms are not compared.
    """
    pair = pair_of(results, first, second)
    sign = 1 if pair["arm_a"] == first else -1
    low, high = sorted((sign * pair["low"], sign * pair["high"]))
    return sign * pair["difference"], low, high, pair["verdict"]


def verdict_in_words(results: Results, pair: Mapping[str, Any]) -> str:
    """The verdict of a comparison; of two networks it is `networks differ`, or `undecided`."""
    if pair["scope"] == OF_NETWORKS and networks_differ(results, pair):
        return "networks differ"
    return str(pair["verdict"])


def networks_differ(results: Results, pair: Mapping[str, Any]) -> bool:
    """Whether two single networks differ; False where an arm has several runs."""
    p_value = pair["networks_p"]
    return p_value is not None and bool(p_value <= results.level)


def comparison_of_networks(results: Results) -> str:
    """What compares two single networks, in words: McNemar's test if images were drawn one by one and count alike."""
    if results.folds is not None or decided(results).get("groups") is not None:
        return "from the interval, over images alone"
    if results.metric == "accuracy":
        return "McNemar’s exact test"
    return "McNemar’s exact test if all classes have equally many images, else from the interval, over images alone"


def scope_of_leader(results: Results) -> str:
    """What the decision is about: the narrowest scope of the leader's comparisons; arms if there are none."""
    scopes = scopes_of_leader(results)
    return next((scope for scope in (OF_NETWORKS, OF_TWO_SEEDS) if scope in scopes), OF_ARMS)


def scopes_of_leader(results: Results) -> set[str]:
    """What the leader's comparisons are about."""
    leader = results.contestants[0]
    return {pair["scope"] for pair in decided(results)["pairs"] if pair["arm_a"] == leader}


def may_be_taken(results: Results) -> list[str]:
    """The candidates that the rules allow to be chosen: the leader, and those that are shown to beat guessing."""
    leader = results.contestants[0]
    return [arm for arm in decided(results)["candidates"] if arm == leader or results.ranking[arm]["beats_guessing"]]


def of_those(results: Results, among: Sequence[str] = ()) -> str:
    """What to add to `the cheapest`, where a cheaper candidate is not shown to beat guessing; else empty.

    Args:
        among: the candidates that it is the cheapest of; by default all.
    """
    chosen, able = chosen_arm(results) or "", may_be_taken(results)
    left_out = [arm for arm in among or decided(results)["candidates"] if arm not in able]
    if not any(price(results, arm) < price(results, chosen) for arm in left_out):
        return ""
    if not results.ranking[chosen]["beats_guessing"]:
        return " of the leader and the arms that are shown to beat guessing"
    return f" of {'the equivalent arms' if among else 'those'} that are shown to beat guessing"


def equivalent(results: Results) -> list[str]:
    """The leader, and the candidates that are equivalent to it."""
    leader, *others = decided(results)["candidates"]
    return [leader, *(arm for arm in others if lead(results, leader, arm)[3] == "equivalent")]


def not_beyond_guessing(results: Results) -> str:
    """Which candidates `are not shown to beat guessing`, in these words; empty if all are."""
    able = may_be_taken(results)
    left_out = [results.name_of(arm) for arm in decided(results)["candidates"] if arm not in able]
    verb = "is" if len(left_out) == 1 else "are"
    return f"{words.listing(left_out)} {verb} not shown to beat guessing" if left_out else ""


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
    undecided = {
        "accurate": "this choice stays; the undecided arms remain candidates",
        "cheap": "the cheapest candidate is chosen instead",
    }[decided(results)["prefer"]]
    level = words.level(results.level)
    metric = results.metric_name
    return [
        f"{deciding_images(results)}{half} decide, by {metric} (setting metric: {results.metric}).",
        "No arm is chosen unless one is better than always naming the most frequent class (one-sided test, at most "
        f"{level}, Holm-corrected for the number of arms).",
        f"The leader is the arm with the highest mean {metric}. Arms that it is better than are dropped; the others "
        "are candidates. With fewer than three seeds no arm is dropped. An arm that is not shown to beat guessing is "
        "never chosen in place of the leader.",
        "Of the leader and the arms equivalent to it, the cheapest is chosen: by computed operations, then by computed "
        "peak memory, then by the order of the configuration.",
        f"If the leader and another candidate are undecided, {undecided} (setting prefer: "
        f"{decided(results)['prefer']}).",
        f"Of the runs of the chosen arm, the one with the highest {metric} on these images is chosen."
        if results.folds is None
        else f"Of the seeds of the chosen arm, the one with the highest {metric} on these images is chosen, and of its "
        "networks that of fold 0.",
    ]


def table(results: Results) -> Table:
    """Every arm that is no control: its metric on the images that decide, the leader's lead, its cost, the choice."""
    decision = decided(results)
    article = "an" if results.metric == "accuracy" else "a"
    guessing = not all(entry["beats_guessing"] for entry in decision["ranking"])
    interval = words.interval(results.confidence)
    columns = [
        ARM,
        Column(
            results.metric_name,
            f"Mean {results.metric_name} on the {deciding_split(results)} images that decide (%). Below: {interval}.",
        ),
        *(
            [
                Column(
                    "guessing",
                    f"Probability of at least such {article} {results.metric_name} by guessing (Holm’s correction).",
                )
            ]
            if guessing
            else []
        ),
        Column(
            "behind",
            f"{results.metric_name.capitalize()} of the leader (the arm with the highest) minus that of this arm, in "
            f"points. Below: {words.interval(results.confidence_of_differences)} of this difference. All arms see the "
            "same images, so it may be narrower than those of the arms.",
        ),
        Column("verdict", _meaning_of_verdict(results), "verdict"),
        Column("operations", "Computed multiply-accumulates of a run’s training and evaluation until the decision."),
        Column("peak memory", "Computed: the larger of training and evaluation."),
        Column("choice", _meaning_of_choice(results), "text"),
    ]
    leader, rows = results.contestants[0], []
    for arm, entry in results.ranking.items():
        verdict = "leader"
        value, low_end, high_end = results.decided_by(arm)
        behind: str | tuple[str, str] = words.NOTHING
        if arm != leader:
            difference, low, high, verdict = lead(results, leader, arm)
            behind = (words.number(difference), words.between(low, high))
            verdict = "worse" if verdict == "better" else verdict_in_words(results, pair_of(results, leader, arm))
        macs, peak = price(results, arm)
        rows.append(
            [
                arm_cell(results, arm),
                (words.percent(value), words.between(low_end, high_end)),
                *([_p(entry["p_guessing"])] if guessing else []),
                behind,
                verdict,
                words.operations(macs),
                words.size(peak),
                _choice(results, arm),
            ]
        )
    provisional = "Provisional: " if results.is_provisional else ""
    return Table(f"{provisional}{deciding_images(results)} decide", columns, rows, "tables/decision.csv", stacks=True)


def _meaning_of_verdict(results: Results) -> str:
    """What the verdicts of the table mean, those that it may show."""
    meanings = {
        OF_ARMS: "Of the comparison with the leader. worse: the leader is better (in the linked table: better). "
        f"equivalent: the whole interval lies within {words.plural(results.margin, 'point')} of zero. undecided: "
        "neither is shown.",
        OF_TWO_SEEDS: "Two seeds are too few for a verdict: undecided.",
        OF_NETWORKS: "With one run of an arm there is no verdict on arms. networks differ: these two networks do "
        f"({comparison_of_networks(results)}); another seed may change this.",
    }
    return " ".join(meaning for scope, meaning in meanings.items() if scope in scopes_of_leader(results))


def _meaning_of_choice(results: Results) -> str:
    """What the choices mean that the table shows."""
    meanings = {
        "chosen": "chosen: the arm to take.",
        "candidate": "candidate: may be taken as well; the leader is not shown to be better.",
        "not shown": "not shown: the leader is not shown to be better, but the arm is not shown to beat guessing, so "
        "it is not taken.",
        "dropped": "dropped: the leader is better.",
    }
    shown = {_choice(results, arm) for arm in results.contestants}
    return " ".join(meaning for choice, meaning in meanings.items() if choice in shown)


def _choice(results: Results, arm: str) -> str:
    if chosen_arm(results) is None:
        return words.NOTHING
    if arm == chosen_arm(results):
        return "chosen"
    if arm in may_be_taken(results):
        return "candidate"
    return "not shown" if arm in decided(results)["candidates"] else "dropped"


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


def chosen_run(results: Results) -> str:
    """Which run of the chosen arm is taken, with its accuracies; empty if none is."""
    arm = chosen_arm(results)
    if arm is None:
        return ""
    runs, seed = results.of("runs", arm), str(decided(results)["chosen"]["seed"])
    run = runs[runs["seed"] == seed].iloc[0]
    if results.folds is not None:
        return _chosen_network(results, run, len(runs))
    split = decided(results)["images"]
    reached = f"{words.percent(run[f'{split}_{results.metric}'])} {results.metric_on(split)}"
    text = f"The run to take is that with seed {seed}: {reached}"
    if len(runs) > 1:
        text += f", the highest of {len(runs)} runs"
    if results.is_tested and split != "test":
        text += f"; {words.percent(run[f'test_{results.metric}'])} {results.metric_on('test')}"
    return f"{text}. {_weights(results)}".rstrip()


def _weights(results: Results) -> str:
    """Where the weights of the chosen run are, or of the ensemble that it is a member of; a partial report has none."""
    if results.missing is not None:
        return ""
    if results.configuration.get("ensemble"):
        return "model/ has the ensemble of all networks of this arm; its README.md says how accurate they are together."
    return "Its weights are in model/."


def _chosen_network(results: Results, run: pandas.Series, seeds: int) -> str:
    """Which network of the chosen arm is taken, where a seed has one for each fold, and how good its seed's are."""
    chosen = decided(results)["chosen"]
    reached = f"{words.percent(run[f'validation_{results.metric}'])} {results.metric_name} out of fold"
    text = f"The network to take is that of seed {run['seed']}, fold {chosen['fold']}. "
    text += f"The networks of this seed reach {reached}"
    if seeds > 1:
        text += f", the highest of {seeds} seeds"
    if results.is_tested:
        text += f", and on average {words.percent(run[f'test_{results.metric}'])} {results.metric_on('test')}"
    text += f". It was trained on {results.folds - 1} of {results.folds} parts of the images" if results.folds else ""
    return f"{text}. {_weights(results)}".rstrip()


def settling(results: Results) -> list[str]:
    """What would settle the comparisons with the leader that are undecided, a sentence each."""
    found: Mapping[str, Mapping[str, Any] | None] = decided(results)["settling"]
    arms: dict[str, list[str]] = {}
    for arm, needed in found.items():
        if needed is not None:
            arms.setdefault(_settled_by(results, arm, needed), []).append(results.name_of(arm))
    leader = results.name_of(results.contestants[0])
    sentences = [f"{leader} against {words.listing(names, 'or')}: {text}." for text, names in arms.items() if text]
    if None in found.values():
        sentences.append("A verdict on arms needs at least three seeds of each.")
    return sentences


def _settled_by(results: Results, arm: str, needed: Mapping[str, Any]) -> str:
    """The seeds and the images that would settle a comparison with the leader; empty where no number says it."""
    leader = results.contestants[0]
    present = max(len(results.ranking[name]["seeds"]) for name in (leader, arm))
    about, safe, images = (needed[key] for key in ("about", "safe", "images"))
    scope = pair_of(results, leader, arm)["scope"]
    if scope == OF_ARMS and (about == present or (images == 1 and results.look == 1)):
        return ""  # alone it would be settled: the correction for the number of pairs leaves it open
    ways = []
    if about is not None:
        most = "or more" if safe is None else f"to {words.count(safe)}" if safe > about else ""
        ways.append(f"{'about ' * (safe == about)}{words.count(about)} {most}".strip() + " seeds of each arm")
    if images is not None and scope == OF_ARMS:
        split = deciding_split(results)
        if images == 1:  # other images are a first look again
            ways.append(f"the same number of other {split} images")
        elif images < 1.05:
            ways.append(f"slightly more {split} images")
        else:
            ways.append(f"about {words.times(images)} as many {split} images")
    if not ways:
        return "neither more seeds nor more images alone would settle this difference"
    only = "; more seeds alone would not" if about is None else ""
    if images is None and scope == OF_ARMS:
        only = "; more images alone would not"
    return f"{' or '.join(ways)} would settle it, if the difference stays as it is{only}"


def _reason(results: Results, reason: Mapping[str, Any]) -> str:
    """A reason of the decision in a sentence."""
    leader = results.name_of(results.contestants[0])
    named = results.name_of(reason["arm"]) if "arm" in reason else ""
    match reason["code"]:
        case "only_arm":
            return f"{named} is the only arm that can be chosen."
        case "no_arm_beats_guessing":
            return (
                f"No arm is shown to beat guessing ({words.percent(reason['chance'])}, the most frequent class): the "
                f"smallest p is {words.p_value(reason['p_value']).removeprefix(f'={words.NO_BREAK}')}."
            )
        case "best":
            return f"{named} is better than every other arm (largest p {words.p_value(reason['p_value'])})."
        case "undecided":
            scope = scope_of_leader(results)
            why = {OF_NETWORKS: " One run of an arm is too few.", OF_TWO_SEEDS: " Two seeds are too few."}.get(
                scope, ""
            )
            return (
                f"Undecided: whether {leader} is better than "
                f"{words.listing(results.names_of(reason['arms']), 'or')}.{why}"
            )
        case "cheapest_equivalent":
            if (reason["macs"], reason["peak_bytes"]) == (reason["leader_macs"], reason["leader_peak_bytes"]):
                which = of_those(results, equivalent(results)).strip() or "of the equivalent arms"
                return f"{named} comes first: {which} none is cheaper ({_cost(reason)}, computed)."
            which = of_those(results, equivalent(results)) or " of these"
            costs = f"{_cost(reason)}, computed ({leader}: {_cost(reason, 'leader_')})"
            return f"{named} is the cheapest{which}: {costs}."
        case "preferred_accurate":
            return f"{named} is chosen until that is decided (setting prefer: accurate)."
        case "preferred_cheap":
            cheapest = f"the cheapest{of_those(results) or ' of them'}"
            return f"{named}, {cheapest}, is chosen until that is decided (setting prefer: cheap)."
        case code:
            raise InputError(f"{results.report_folder / 'decision.json'}: unknown reason {code!r:.60}")


def _cost(reason: Mapping[str, Any], prefix: str = "") -> str:
    """The computed cost in a reason."""
    return f"{words.operations(reason[f'{prefix}macs'])} and {words.size(reason[f'{prefix}peak_bytes'])}"


def looked(results: Results) -> list[str]:
    """How often these images have decided with other seeds, and what follows; nothing at the first look."""
    if results.look == 1:
        return []
    return [
        f"This is look {results.look}: the same images have decided with other seeds before. Each look is another "
        f"chance of a false verdict, so arms are compared at {words.level(results.level)}."
    ]


def flattered(results: Results) -> list[str]:
    """By how much the leader's accuracy may be too high because it is the highest; nothing of a single arm."""
    arms, differences = len(results.contestants), [(pair["low"], pair["high"]) for pair in decided(results)["pairs"]]
    if arms < 2:
        return []
    most = words.points(optimism(differences, arms, results.confidence_of_differences))
    leader = results.name_of(results.contestants[0])
    return [f"{leader} is flattered by being the highest of {arms}: on average by at most {most} on these images."]


def of_groups(results: Results) -> list[str]:
    """By how many groups the images that decide were drawn; nothing where they were drawn one by one."""
    groups = decided(results).get("groups")
    if groups is None:
        return []
    return [
        f"The {deciding_images(results)} are of {words.plural(groups, 'group')}: intervals are over groups, since "
        "images of one group are alike."
    ]


def openings(results: Results) -> list[str]:
    """How many openings of test images are recorded, and after which decisions; nothing where training reads them."""
    if results.opened is None:
        return []
    names = [digest[:DIGEST] for digest in results.opened["decisions"]]
    after = f"after decision{'s' if len(names) > 1 else ''} {words.listing(names)}" if names else "after no decision"
    openings, runs = int(results.opened["openings"]), len(results.opened["runs"])
    removed = sum(number for _, _, number in results.opened["removed"])
    often = (
        f"one for each of {words.plural(runs, 'run')}"
        if openings - removed == runs
        else f"{words.count(openings - removed)} for {words.plural(runs, 'run')}"
    )
    if removed:
        arms = list(dict.fromkeys(arm for arm, _, _ in results.opened["removed"]))
        often += (
            f", and {words.count(removed)} for runs that are no longer in the configuration ({words.listing(arms)})"
        )
    trainings = int(results.opened["trainings"])
    before = (
        f" {words.plural(trainings, 'training')} evaluated them after every epoch (test: every_epoch)."
        if trainings
        else ""
    )
    present = decided(results)["digest"]
    other = "" if results.opened["decisions"] == [present] else f" The present one is {present[:DIGEST]}."
    return [
        f"Recorded openings of the test images: {often}, {after} (the first digits of its digest in decision.json)."
        f"{other}{before}"
    ]


def opened_otherwise(results: Results) -> list[str]:
    """The runs whose test images were read after another decision than the present one, in a sentence."""
    by_decision: dict[tuple[str, str], list[str]] = {}
    for arm, seed, digest in results.opened["runs"] if results.opened else ():
        if digest != decided(results)["digest"]:
            seeds = by_decision.setdefault((digest, arm), [])
            seeds += [str(seed)] * (str(seed) not in seeds)  # with folds, a seed has several runs
    if not by_decision:
        return []
    named = [
        f"{results.name_of(arm)}, {'seed' if len(seeds) == 1 else 'seeds'} {words.listing(seeds)} ({digest[:DIGEST]})"
        for (digest, arm), seeds in by_decision.items()
    ]
    return [f"Tested after another decision than the present one: {'; '.join(named)}."]
