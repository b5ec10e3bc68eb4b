"""The fabricated experiment as the report finds it, with other comparisons where a test asks for them."""

from dataclasses import replace

import pandas
import pytest

from tests.fabricated import LECTURE
from triptych.analysis.decide import Competitor, choose, read_correct, settling_of
from triptych.results.experiment import read_results
from triptych.results.schema import COMPARISONS, TEXT

REFERENCES = [{"architecture": "inception_v3", "input_size": 299, "auxiliary": True}]


TWO = [{"name": "finetune", "label": "net2", "last": 96.0}, {"name": "scratch", "weights": "random", "last": 95.5}]


def plain(text: str) -> str:
    """With ordinary spaces and minus signs."""
    return text.replace("\u00a0", " ").replace("−", "-")


def against(verdict, difference=0.5, low=-0.2, high=1.2, p_value=0.2):
    """The rows of a comparison of the two arms of `TWO`."""
    return [("finetune", "scratch", difference, low, high, p_value, verdict)]


def with_decision(found, rows, prefer="accurate", **costs):
    """The results where the arms compare on the images that decide as these rows of a comparison say.

    `costs` are what the decision says of the computed cost of arms, by arm, where that differs.
    """
    deciding, by_arm = read_correct(found.folder / "validation.safetensors", found.metric)
    ranking = [{**entry, **costs.get(arm, {})} for arm, entry in found.ranking.items()]
    cost = {entry["arm"]: (entry["macs"], entry["peak_bytes"]) for entry in ranking}
    competitors = [
        Competitor(arm, *by_arm[arm], *cost[arm], deciding.sampling) for arm in found.arms["arm"] if arm in cost
    ]
    pairs = [dict(zip(COMPARISONS.names, whole(row), strict=True)) for row in rows]
    choice = choose(competitors, pairs, prefer, {one.arm for one in competitors})
    choice["settling"] = settling_of(competitors, pairs, found.margin, found.confidence)
    return replace(found, decision={**found.decision, "ranking": ranking, "pairs": pairs, "prefer": prefer, **choice})


def whole(row):
    """A row of a comparison of arms with three or more seeds, with every column."""
    return row if len(row) == len(COMPARISONS.names) else (*row[:6], float("nan"), "arms", row[6])


def compared(rows) -> pandas.DataFrame:
    """The table comparisons with these rows."""
    numbers = {column.name: float for column in COMPARISONS.columns if column.kind != TEXT}
    return pandas.DataFrame(list(map(whole, rows)), columns=COMPARISONS.names).astype(numbers)


@pytest.fixture
def find(shelf):
    """The function that finds an experiment for reading: by default the lecture's, else with the options of `Shelf`."""

    def find(arms=None, references=False, **options):
        if references:
            options["reference_models"] = REFERENCES
        return shelf(arms or LECTURE, whole_kernels=False, **options) if arms or options else shelf()

    return find


@pytest.fixture
def results(find):
    """The function that reads what `find` finds.

    `comparisons` are rows in place of the table's own, and of those of the decision; `prefer` and `costs` as in
    `with_decision`.
    """

    def read(arms=None, comparisons=None, prefer="accurate", costs=None, **options):
        found = read_results(find(arms, **options).folder)
        if comparisons is None:
            return found
        found.tables["comparisons"] = compared(comparisons)
        return with_decision(found, comparisons, prefer, **(costs or {}))

    return read


@pytest.fixture
def experiment(find, tmp_path):
    """The function that makes a folder like it for a test to change; without its runs, which the report never reads."""

    def build(arms=None, **options):
        return find(arms, **options).copy(tmp_path / "digits", without=("runs",)).folder

    return build
