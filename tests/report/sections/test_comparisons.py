"""Every pair has its verdict, and what is undecided its reason."""

import pandas
import pytest

from tests.report.conftest import TWO, against, plain, whole
from triptych.report.blocks import Details, Table
from triptych.report.sections import comparisons
from triptych.results.experiment import read_results

COLUMNS = ["arm_a", "arm_b", "difference", "low", "high", "p_value", "networks_p", "scope", "verdict"]


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
    said = comparisons.undecided(found, pandas.Series(whole(("finetune", "scratch", *row, "undecided")), COLUMNS))
    assert plain(said) == f"Undecided, net2 · finetune vs scratch: {reason}."


def test_images_that_decide_are_compared_while_the_test_images_are_unopened(find, tmp_path):
    made = find(TWO).copy(tmp_path / "digits").complete("partial/")
    found = read_results(made.folder, made.folder / "partial", {"scratch": [], "finetune": []})
    paragraph, table, *_ = comparisons.blocks(found)
    assert paragraph.text.startswith("Provisional, on the images that decide.")
    assert (table.title, table.file) == ("Pairs of arms", "decision.json")
    assert plain(table.rows[0][1]) == f"{found.decision['pairs'][0]['difference']:.1f}"
    row = pandas.Series(whole(("finetune", "scratch", 0.0, 0.0, 0.0, 1, "undecided")), COLUMNS)
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


def test_the_margin_is_explained_where_it_is_drawn(results):
    (meaning,) = [
        column.meaning
        for column in comparisons.table(results(), comparisons.compared(results()), "Pairs").columns
        if column.title == "interval"
    ]
    assert "the margin of 1 point, within which arms are equivalent." in plain(meaning)


def test_one_arm_has_no_such_section(results):
    assert not comparisons.SECTION.needs(results(arms=TWO[:1]))


def verdicts(found):
    """What the paragraph says, and of each pair p and verdict."""
    paragraph, table, *others = comparisons.blocks(found)
    assert others == []
    return plain(paragraph.text), [plain(row[3]) for row in table.rows], [row[4] for row in table.rows]


def test_with_three_seeds_verdicts_are_about_arms(results):
    text, _, found = verdicts(results())
    assert text.endswith("Verdicts are about arms: intervals and p-values allow for other images and other seeds.")
    assert found == ["better"] * 3
    intervals = comparisons.table(results(), comparisons.compared(results()), "Pairs").columns[2].meaning
    assert "it allows for other test images and other seeds." in intervals and "share one scale" in intervals


def test_with_one_seed_networks_are_compared_by_mcnemars_test(results):
    found = results(arms=TWO, seeds=(0,))
    text, (p_value,), (verdict,) = verdicts(found)
    assert "no verdict on arms" in text and text.endswith("another seed may change the result.")
    (row,) = found.tables["comparisons"].to_dict("records")
    assert p_value == f"{row['networks_p']:.2g}" != f"{row['p_value']:.2g}" and verdict == "undecided"
    *_, several = verdicts(results(seeds=(0,)))
    assert several == ["networks differ"] * 3
    columns = {
        column.title: column.meaning for column in comparisons.table(found, comparisons.compared(found), "").columns
    }
    assert "not other seeds" in columns["interval"] and "McNemar" in columns["p"] and "better" not in columns["verdict"]


def test_with_two_seeds_the_interval_stands_alone(results):
    text, _, found = verdicts(results(seeds=(0, 1)))
    assert text.endswith("Two seeds of an arm are too few for a verdict on arms: the interval is shown alone.")
    assert found == ["undecided"] * 3
