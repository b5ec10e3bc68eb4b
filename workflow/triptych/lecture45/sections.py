"""The sections that only reports with `claims: lecture45` have: the claims of the lecture, the faults of its notebook.

Verdicts and effects are read from tables.
"""

import re
from dataclasses import dataclass

import pandas

from triptych.lecture45 import schema
from triptych.lecture45.verdicts import AGREES, ANOTHER_RUN, DISAGREES, NOT_TESTED, RULES_DATE, UNDECIDED
from triptych.report import formatting as words
from triptych.report.blocks import Block, Bullets, Column, Paragraph, Section, Table, declared, figure
from triptych.results.experiment import Results
from triptych.results.tables import read_table

UNUSED_BACKWARD = 5
"""The fault whose effect is measured."""

ELSEWHERE = [
    "A linear probe of ResNet-18 on CIFAR-10 at 224 pixels, with normalisation, is published with about 87.5 % (one "
    "run); BiT-M R50x1, fine-tuned, with 97.2 to 97.4 %.",
    "From scratch on the images as they are, at 32 pixels, a modern recipe reaches 94 % in 2.6 seconds and 96 % in 27 "
    "seconds on one A100 (airbench).",
    "Training the last layer first and then everything (LP-FT) gains 1 point on images like those trained on and 10 on "
    "others, over fine-tuning alone (Kumar et al. 2022).",
    "Early layers barely move in fine-tuning, and much of its gain is the scale of the weights (Raghu et al. 2019); "
    "fine-tuned networks stay in one basin with the pretrained one (Neyshabur et al. 2020).",
    "3.3 % of CIFAR-10’s test images have a near duplicate among its training images, so test accuracies are slightly "
    "optimistic (Barz and Denzler, ciFAIR).",
    "Published code had fault 6 (BatchNorm), too (kdexd/virtex, issue 16), and many tutorials have it "
    "(pytorch/tutorials, issue 449).",
]
"""Published numbers to compare the lecture's with, each with its source."""


NOTEBOOKS = [
    "The film shows an earlier notebook than the published one: the first version of 2018 in the course’s repository. "
    "It has fault 2, but not fault 1. It divides sums of mean losses by 50,000 and 10,000: its losses are about a 32nd "
    "of those here, such as net1’s 0.03 after one epoch.",
    "The notebooks resize with Pillow, which rounds pixels to whole grey levels; here they are not rounded. 13 % of "
    "the pixels differ by one level, and net3’s train loss in the first epoch by 0.009. This is no fault.",
    "A test trains the three nets on Pillow’s pixels, with batches in an order of their own. Its losses are those of "
    "this package within 0.09, three standard deviations of what the order alone changes "
    "(tests/lecture45/test_oracle.py).",
]
"""What else to know when numbers are compared with those of the film or of its notebooks."""

VERDICTS = (AGREES, DISAGREES, UNDECIDED, NOT_TESTED)

MOVES = (
    "The first rules are of the day of the run. Four hours later, runs with other files than the published ones could "
    "only agree. Since then they may disagree again. Rules on intervals and on rising or falling curves say how often "
    "noise would pass; those on what has settled (16:11, 22:22) and on two epochs (17:02) do not."
)
"""Why the verdicts on the full run moved."""


@dataclass(frozen=True)
class Lecture:
    """The tables of the wing: claims, faults, the row of the timing, test accuracies by epoch of this run and of the
    full run, the settings of both, and the verdicts of the rules of different days on the full run."""

    claims: pandas.DataFrame
    faults: pandas.DataFrame
    backward: pandas.Series
    full_run: pandas.DataFrame
    settings: pandas.DataFrame
    verdicts: pandas.DataFrame


def read_lecture(results: Results) -> Lecture:
    """Read the tables that only experiments with `claims: lecture45` have.

    Raises:
        InputError: a table is missing or invalid.
    """
    folder = results.report_folder / "tables"
    return Lecture(
        claims=read_table(folder / "claims.csv", schema.CLAIMS),
        faults=read_table(folder / "faults.csv", schema.FAULTS),
        backward=read_table(folder / "cost_backward.csv", schema.COST_BACKWARD).iloc[0],
        full_run=read_table(folder / "full_run.csv", schema.FULL_RUN),
        settings=read_table(folder / "full_run_settings.csv", schema.FULL_RUN_SETTINGS),
        verdicts=read_table(folder / "full_run_verdicts.csv", schema.FULL_RUN_VERDICTS),
    )


def has_claims(results: Results) -> bool:
    """Return whether the report has these sections; a partial report never has."""
    return results.configuration.get("claims", "none") == "lecture45" and results.missing is None


def blocks_of_claims(results: Results) -> list[Block]:
    lecture = read_lecture(results)
    notes = [*differences(lecture), *one_seed(results)]
    return [
        Paragraph(f"{verdicts(lecture)} A fixed rule of {RULES_DATE} decides each verdict (lecture45/claims.py)."),
        *([Bullets(notes)] if notes else []),
        claims(lecture),
        Paragraph(moved(lecture)),
        verdicts_by_rules(lecture),
        Paragraph(full_run(lecture, results)),
        figure("full_run"),
        settings(lecture),
        Bullets(ELSEWHERE, "Numbers from elsewhere"),
    ]


def blocks_of_faults(results: Results) -> list[Block]:
    return [
        Paragraph(
            "The recipe is the lecture’s; the faults of its published notebook are not. The table shows what each "
            "does, what is done here, and what it changes in this run."
        ),
        Bullets(NOTEBOOKS),
        faults(read_lecture(results)),
        figure("notebook_loss"),
        figure("notebook_kernels"),
    ]


CLAIMS = Section("claims", "The lecture’s claims", blocks_of_claims, has_claims)
FAULTS = Section("faults", "The notebook’s faults", blocks_of_faults, has_claims)
SECTIONS = (CLAIMS, FAULTS)


def claims(lecture: Lecture) -> Table:
    """Every claim, what this run gave, and the verdict."""
    columns = [
        declared(schema.CLAIMS, "at", "text"),
        *(declared(schema.CLAIMS, name, "prose") for name in ("claim", "number")),
        declared(schema.CLAIMS, "verdict", "verdict"),
        declared(schema.CLAIMS, "reason", "prose"),
    ]
    rows = [
        [
            row["at"],
            _prose(row["claim"]),
            _prose(row["number"]) or words.NOTHING,
            row["verdict"],
            _prose(row["reason"]),
        ]
        for _, row in lecture.claims.iterrows()
    ]
    return Table("The lecture’s claims", columns, rows, "tables/claims.csv", stacks=True)


def _prose(text: str) -> str:
    """Text in which no number parts from its unit at the end of a line."""
    return re.sub(r"(?<=\d) (?=%|(GiB|MiB|GB|GMAC|px|points|times)\b)", words.NO_BREAK, text)


def differences(lecture: Lecture) -> list[str]:
    """Return how this run differs from the lecture's, and what follows for the claims; empty if it does not matter."""
    untested = lecture.claims["verdict"] == NOT_TESTED
    different = lecture.claims["different"]
    apart = (lecture.claims["reason"].str.startswith(ANOTHER_RUN)) & (different != "")
    recipe, files = (dict.fromkeys(different[rows & (different != "")]) for rows in (apart, ~apart & ~untested))
    return [
        *(
            f"This run is not the lecture’s ({text}), so it cannot test claims about ten epochs of the lecture’s "
            "recipe. For these, its numbers are given and the verdict is left open."
            for text in recipe
        ),
        *(
            f"The files are not the lecture’s ({text}). A verdict is about this run as it is: it may disagree as well "
            "as agree, and either may come from the files."
            for text in files
        ),
    ]


def one_seed(results: Results) -> list[str]:
    """Return what follows from one seed, if there is one."""
    if results.numbers_of_runs != [1]:
        return []
    return [
        "With one seed, verdicts on losses and accuracies are about the networks of this run. Their intervals are over "
        "images alone; another seed may change a verdict."
    ]


def verdicts(lecture: Lecture) -> str:
    """How many claims got which verdict."""
    agrees, disagrees, undecided, rest = counts(lecture.claims["verdict"])
    return (
        f"Of {words.plural(len(lecture.claims), 'claim')}, this run agrees with {agrees} and disagrees with "
        f"{disagrees}; {undecided} {'is' if undecided == 1 else 'are'} undecided, and {rest} "
        f"{'is' if rest == 1 else 'are'} not tested here."
    )


def counts(verdicts: pandas.Series) -> tuple[int, ...]:
    """How often each verdict occurs, in the order of VERDICTS."""
    found = verdicts.value_counts()
    return tuple(int(found.get(verdict, 0)) for verdict in VERDICTS)


def moved(lecture: Lecture) -> str:
    """Return how the verdicts on the full run moved with the rules."""
    by_rules = [counts(rows["verdict"]) for _, rows in lecture.verdicts.groupby("rules")]
    now = lecture.verdicts["rules"].max()
    told = [" / ".join(map(str, found)) for found in by_rules]
    return (
        f"Verdicts depend on the rules, too. On the stored full run they were {', then '.join(told[:-1])} "
        f"({' / '.join(VERDICTS)}). By the rules of {now}, computed from its tables, they are {told[-1]}. {MOVES}"
    )


def verdicts_by_rules(lecture: Lecture) -> Table:
    """Return the numbers of verdicts on the full run by the rules of each day."""
    columns = [
        declared(schema.FULL_RUN_VERDICTS, "rules", "text"),
        Column("claims", "Claims that these rules test.", "number"),
        *(Column(verdict, f"Claims with the verdict “{verdict}”.", "number") for verdict in VERDICTS),
    ]
    rows = [
        [day, str(len(found)), *map(str, counts(found["verdict"]))] for day, found in lecture.verdicts.groupby("rules")
    ]
    return Table(
        "Verdicts on the full run, by the rules of each day", columns, rows, "tables/full_run_verdicts.csv", stacks=True
    )


def faults(lecture: Lecture) -> Table:
    """Every fault; the effect of the unused backward pass is the measured one."""
    columns = [
        declared(schema.FAULTS, "fault", "text"),
        *(declared(schema.FAULTS, name, "prose") for name in ("notebook", "here", "effect")),
    ]
    rows = [
        [
            f"{row['fault']:.0f}",
            row["notebook"],
            row["here"],
            _prose(backward(lecture) if row["fault"] == UNUSED_BACKWARD else row["effect"]),
        ]
        for _, row in lecture.faults.iterrows()
    ]
    return Table("The notebook’s faults", columns, rows, "tables/faults.csv", stacks=True)


def full_run(lecture: Lecture, results: Results) -> str:
    """Compare the final test accuracies of the three nets with those of the full run, and count differing settings."""
    ends = (
        lecture.full_run.sort_values("epoch", kind="stable")
        .groupby(["run", "arm", "seed"], sort=False)["test_accuracy"]
        .last()
        .groupby(level=["run", "arm"], sort=False)
        .mean()
    )
    here, full = (
        ", ".join(f"{results.name_of(arm)} {words.percent(accuracy)}" for arm, accuracy in ends[run].items())
        for run in ("this run", "full run")
    )
    different = (lecture.settings["this_run"] != lecture.settings["full_run"]).sum()
    return (
        f"The full run of the lecture (tables: workflow/triptych/lecture45/full_run) ended at {full}; this run ended "
        f"at {here}. "
        f"They differ in {words.plural(different, 'setting')}; each may explain a difference."
    )


def settings(lecture: Lecture) -> Table:
    """Return the settings of this run and of the full run, those that differ first."""
    columns = [
        declared(schema.FULL_RUN_SETTINGS, "setting", "text"),
        *(declared(schema.FULL_RUN_SETTINGS, name, "prose") for name in ("this_run", "full_run")),
        Column("differs", "Whether the two values differ.", "text"),
    ]
    found = lecture.settings.assign(differs=lecture.settings["this_run"] != lecture.settings["full_run"])
    rows = [
        [row["setting"], row["this_run"], row["full_run"], "yes" if row["differs"] else "no"]
        for _, row in found.sort_values("differs", ascending=False, kind="stable").iterrows()
    ]
    return Table("Settings of this run and of the full run", columns, rows, "tables/full_run_settings.csv", stacks=True)


def backward(lecture: Lecture) -> str:
    """Return the measured cost of the unused backward pass."""
    row = lecture.backward
    return (
        f"measured in float32: {words.number(row['images_per_second_notebook'])} images a second with the unused "
        f"backward pass, "
        f"{words.number(row['images_per_second_here'])} without: {row['ratio']:.2f} times as fast "
        f"({row['ratio_low']:.2f} to {row['ratio_high']:.2f}; {row['device_name'] or row['device']}, batches of "
        f"{row['batch_size']:.0f})"
    )
