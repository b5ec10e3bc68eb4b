"""Every pair has its verdict, and what is undecided its reason."""

import pandas
import pytest

from tests.report.conftest import TWO, against, plain
from triptych.report.blocks import Details, Table
from triptych.report.sections import comparisons
from triptych.results.experiment import read_results

COLUMNS = ["arm_a", "arm_b", "difference", "low", "high", "p_value", "verdict"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((0.8, -0.3, 1.9, 0.2), "the interval (-0.3 to 1.9) includes zero and differences beyond 1 point"),
        ((0.8, 0.1, 1.5, 0.06), "with 1 pair compared, p = 0.06 is not enough evidence"),
        ((0.0, 0.0, 0.0, 1), "1,000 test images are too few to prove equivalence within 1 point"),
    ],
)
def test_why_a_pair_is_undecided(results, row, reason):
    found = results(arms=TWO, comparisons=against("better"))
    said = comparisons.undecided(found, pandas.Series(("finetune", "scratch", *row, "undecided"), COLUMNS))
    assert plain(said) == f"Undecided, net2 · finetune vs scratch: {reason}."


def test_images_that_decide_are_compared_while_the_test_images_are_unopened(find, tmp_path):
    made = find(TWO).copy(tmp_path / "digits").complete("partial/")
    found = read_results(made.folder, made.folder / "partial", {"scratch": [], "finetune": []})
    paragraph, table, *_ = comparisons.blocks(found)
    assert paragraph.text.startswith("Provisional, on the images that decide.")
    assert (table.title, table.file) == ("Pairs of arms", "decision.json")
    assert plain(table.rows[0][1]) == f"{found.decision['pairs'][0]['difference']:.1f}"
    row = pandas.Series(("finetune", "scratch", 0.0, 0.0, 0.0, 1, "undecided"), COLUMNS)
    assert "200 validation images are too few" in plain(comparisons.undecided(found, row))


def test_only_what_is_undecided_is_explained(results):
    assert [type(block).__name__ for block in comparisons.blocks(results())] == ["Paragraph", "Table"]


@pytest.mark.parametrize(("arms", "shown"), [(3, 3), (6, 15), (7, 6)])
def test_many_pairs_are_folded_except_those_of_the_best_arm(results, arms, shown):
    found = results([{"name": f"arm{number}", "last": 60 + 5 * number} for number in range(arms)])
    blocks = comparisons.blocks(found)
    table = next(block for block in blocks if isinstance(block, Table))
    assert len(table.rows) == shown
    folded = [block for block in blocks if isinstance(block, Details)]
    pairs = arms * (arms - 1) // 2
    assert [len(block.blocks[0].rows) for block in folded] == [pairs - shown] * (pairs > shown)
    if folded:
        assert all(f"arm{arms - 1}" in row[0] for row in table.rows)
        assert folded[0].summary == f"{pairs - shown} other pairs"


def test_one_arm_has_no_such_section(results):
    assert not comparisons.SECTION.needs(results(arms=TWO[:1]))
