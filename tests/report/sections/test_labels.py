"""What is said of suspected labels is what the table says."""

from tests.report.conftest import plain
from triptych.report.sections import labels


def with_table(found, suspected):
    """The results with so many suspected labels."""
    table = found.tables["suspected_labels"]
    table["suspected"] = [float(number < suspected) for number in range(len(table))]
    return found


def test_the_first_suspected_labels_are_shown_with_names_and_pictures(results):
    found = with_table(results(), 30)
    said, folded = labels.blocks(found)
    assert plain(said.text).startswith(
        "Of 200 validation images, 30 labels are suspected to be wrong (another class is likely), by net2"
    )
    assert said.text.count("no proof") == 1
    (_, shown) = folded.blocks
    table = found.tables["suspected_labels"]
    assert [picture.path for picture in shown.pictures] == list(table["path"][: labels.MOST_SHOWN])
    assert all(picture.address.startswith("data:image/jpeg;base64,") for picture in shown.pictures)
    assert shown.title == "Suspected labels: the first 12 of 30"


def test_that_none_is_suspected_is_said_and_without_labels_to_look_at_nothing_is(results):
    found = with_table(results(), 0)
    (said,) = labels.blocks(found)
    assert plain(said.text).startswith(
        "None of 200 validation images has a suspected label (another class is likely), by net2"
    )
    assert labels.SECTION.needs(found)
    found.tables["suspected_labels"] = found.tables["suspected_labels"].head(0)
    assert not labels.SECTION.needs(found)


def test_no_picture_is_shown_where_images_must_not_leave(results):
    found = with_table(results(report={"images": "none"}), 2)
    _, folded = labels.blocks(found)
    assert [picture.address for picture in folded.blocks[1].pictures] == ["", ""]
