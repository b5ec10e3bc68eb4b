"""What the report says of images in several splits: nothing without them, and no recommendation where they are many."""

from dataclasses import replace

import pytest

from tests.report.conftest import TWO, plain
from triptych.report.blocks import Pairs, Paragraph, Table
from triptych.report.report import parts_of, report
from triptych.report.sections import answer, files, leaks, limits
from triptych.results.experiment import read_results

MANY = [("test", row, "exact", "train", row, "") for row in range(50)]
FEW = MANY[:20]
OF_VALIDATION = [("validation", row, "group", "train", row, "") for row in range(10)]
TWO_LABELS = [("test", 3, "near", "validation", 13, "7"), ("test", 4, "group", "train", 4, "8")]


@pytest.fixture
def leaking(find, tmp_path):
    """The function that reads an experiment with these leaks."""

    def read(*rows):
        made = find(TWO).copy(tmp_path / "digits").leak(*rows)
        made.test()
        return read_results(made.folder)

    return read


def said(found):
    """The text of the first screen."""
    texts = [block.text for block in answer.blocks(found) if isinstance(block, Paragraph)]
    return plain(" ".join(texts))


def test_without_leaks_nothing_is_said_of_them(results, find):
    found = results(arms=TWO)
    assert leaks.SECTION not in [part.section for part in parts_of(found)]
    assert not found.leaked and leaks.refusal(found) == "" and leaks.named(found) == leaks.limits(found) == []
    assert (find(TWO).tables / "leak_price.csv").is_file()
    listed = [row[0].name for folded in files.blocks(found)[1:] for row in folded.blocks[0].rows]
    assert "summary.csv" in listed and not {"leak_price.csv", "leaks.csv"} & set(listed)


def test_from_a_twentieth_of_the_test_images_on_nothing_is_recommended(leaking):
    found = leaking(*MANY)
    text = said(found)
    assert text.startswith(
        "No way can be recommended: 50 of 1,000 test images (5.0 %) have a duplicate in train. Networks may remember "
        "these pictures, so neither the accuracies nor the order of the arms can be trusted. Without these 50 images, "
        "net2 · finetune has "
    )
    row = found.tables["leak_price"].set_index("arm").loc["finetune"]
    assert (
        f"has {row['accuracy_without']:.1f} % test accuracy instead of {row['accuracy']:.1f} %: a difference of "
        f"{row['difference']:.1f} points (95 % CI {row['low']:.1f} to {row['high']:.1f})."
    ) in text
    assert "The run to take" not in text and "pays" not in text
    (advice,) = (block for block in answer.blocks(found) if getattr(block, "title", "") == "What to do")
    assert advice.items == leaks.advice(found) and "data/leaks.csv lists them all" in advice.items[0]
    assert found.decision["chosen"]["arm"] == "finetune"


def test_below_it_the_answer_names_them_with_the_accuracy_without(leaking):
    found = leaking(*FEW)
    text = said(found)
    assert not text.startswith("No way") and "The run to take is" in text
    assert (
        "20 of 1,000 test images (2.0 %) have a duplicate in train. Without these 20 images, net2 · finetune " in text
    )
    assert "20 of 1,000 test images" in plain(" ".join(limits.blocks(found)[0].items))
    listed = [row[0].name for folded in files.blocks(found)[1:] for row in folded.blocks[0].rows]
    assert {"leak_price.csv", "leaks.csv"} <= set(listed)


def test_validation_images_in_train_refuse_as_well(leaking):
    found = leaking(*OF_VALIDATION)
    assert plain(answer.headline(found)).startswith(
        "No way can be recommended: 10 of 200 validation images (5.0 %) have an image of the same group in train."
    )
    (table,) = leaks.price_tables(found)
    assert table.title == "Validation accuracy with and without 10\u00a0leaked images"


def test_one_image_is_one(leaking):
    assert "1 of 1,000 test images (0.1 %) has a duplicate in train. Without it, net2" in said(leaking(MANY[0]))


def test_pairs_are_shown_side_by_side_and_two_labels_are_named(leaking):
    found = leaking(*FEW[:3], *TWO_LABELS, *FEW[5:])
    made = leaks.blocks(found)
    twice, others = (block for block in made if isinstance(block, Pairs))
    assert twice.title == "The same picture under two labels"
    (pair,) = twice.pairs
    assert (pair.first.label, pair.first.note, pair.first.path) == ("3", "test", "digits-0503")
    assert (pair.second.label, pair.second.note, pair.second.path) == ("7", "validation", "digits-0313")
    assert pair.note == "A near-duplicate" and pair.first.address != pair.second.address
    assert all(one.address.startswith("data:image/jpeg;base64,") for one in (pair.first, pair.second))
    assert plain(made[1].text) == (
        "1 picture has two labels: digits-0503 (3) and digits-0313 (7). Give each picture one label."
    )
    assert len(others.pairs) == 11 and others.title == "Side by side (the first 11 of 19 pairs)"
    assert [table.title for table in made if isinstance(table, Table)]


def test_no_picture_is_shown_where_the_report_shows_none(leaking):
    found = leaking(*FEW)
    found = replace(found, configuration={**found.configuration, "report": {"images": "none"}})
    (shown,) = (block for block in leaks.blocks(found) if isinstance(block, Pairs))
    assert {one.address for pair in shown.pairs for one in (pair.first, pair.second)} == {""}


def test_all_test_images_leak(leaking):
    found = leaking(*(("test", row, "exact", "train", row % 300, "") for row in range(1000)))
    assert "All test images leak, so the accuracy on unseen images is unknown." in said(found)


def test_the_whole_page(leaking):
    found = leaking(*MANY, *OF_VALIDATION)
    report(experiment="digits", experiment_folder=found.folder, output=found.folder / "report.html")
    page = (found.folder / "report.html").read_text()
    assert 'id="leaks"' in page and page.count('<ul class="pairs">') == 1
