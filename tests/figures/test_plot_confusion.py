"""Confusion matrix and the most confidently misclassified images."""

import base64
import re
from io import BytesIO

import pandas
import pytest
from PIL import Image

from tests.fabricated import LECTURE
from triptych.figures import plot_confusion as plot_confusion_module
from triptych.figures.plot_confusion import (
    MOST_IMAGES,
    confusion_matrix,
    plot_confusion,
    words_on_mistakes,
)
from triptych.results.schema import INDEX
from triptych.storage.errors import InputError
from triptych.storage.files import write_table


def test_words():
    assert words_on_mistakes(0, 0, 1000, 3)[0] == "No mistakes"
    assert words_on_mistakes(8, 40, 1000, 1)[0] == "The 8 most confident of 40 misclassified images"
    assert "misclassified with at least one seed" in words_on_mistakes(3, 3, 1000, 3)[1]


def test_matrix_follows_the_classes_and_absent_pairs_are_zero(tmp_path):
    path = tmp_path / "confusion.csv"
    path.write_text("arm,true_class,predicted_class,share\na,10,10,1\na,01,10,0.25\na,01,01,0.75\nb,01,01,1\n")
    assert confusion_matrix(path, "a", ["01", "10"]).tolist() == [[0.75, 0.25], [0, 1]]
    with pytest.raises(InputError, match="no row of arm 'c'"):
        confusion_matrix(path, "c", ["01", "10"])
    with pytest.raises(InputError, match="class '10' is none of the test data's"):
        confusion_matrix(path, "a", ["01", "2"])


@pytest.mark.parametrize("mode", ["after_decision", "every_epoch"])
def test_the_logits_are_where_the_mode_has_them(make_results, tmp_path, mode):
    results = make_results(test=mode)
    options = {"arm": "finetune", "experiment_folder": results.folder, "runs": '["seed0"]'}
    tables = {"confusion": results.tables / "confusion.csv", "arms": results.tables / "arms.csv"}
    plot_confusion(**tables, **options, mode=mode, svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    assert (tmp_path / "a.svg").is_file()
    with pytest.raises(InputError, match="mode: 'unopened' is none of after_decision, every_epoch"):
        plot_confusion(**tables, **options, mode="unopened", svg=tmp_path / "a.svg", png=tmp_path / "a.png")


@pytest.mark.parametrize(("images", "shown"), [("all", True), ("none", False)])
def test_images_that_must_not_leave_are_not_drawn(results, tmp_path, images, shown):
    """Matplotlib draws the matrix as one image too; nothing in an image says more than its pixels."""
    options = {"arm": "finetune", "experiment_folder": results.folder, "runs": '["seed0"]', "images": images}
    options["mode"] = "every_epoch"
    tables = {"confusion": results.tables / "confusion.csv", "arms": results.tables / "arms.csv"}
    plot_confusion(**tables, **options, svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    pictures = re.findall(r"data:image/png;base64,([^\"]+)", (tmp_path / "a.svg").read_text())
    assert len(pictures) == 1 + MOST_IMAGES * shown
    for picture in pictures:
        image = Image.open(BytesIO(base64.b64decode(picture)))
        assert not image.getexif() and set(image.info) <= {"Software", "dpi"}


def test_each_picture_has_its_class_in_full_and_its_path(make_results, tmp_path, monkeypatch):
    """Names that no font has, or of more than a line, are drawn without a warning, which would be an error here."""
    drawn = []
    long = "a very long name of a class of roses"
    made = make_results(classes=("x\ny", long, "b"), seeds=(0,), arms=LECTURE[1:2], images=(30, 30))
    path = made.folder / INDEX.file
    index = pandas.read_csv(path, dtype=str, keep_default_na=False)
    index["name"] = [f"./{'玫' * 40}/a\nb/{name}.jpg" for name in index["name"]]
    write_table(path, index)
    draw = plot_confusion_module.draw_tiles

    def remember(figure, tiles, *place):
        drawn.extend(tiles)
        draw(figure, tiles, *place)

    monkeypatch.setattr(plot_confusion_module, "draw_tiles", remember)
    options = {"arm": "finetune", "experiment_folder": made.folder, "runs": '["seed0"]', "mode": "every_epoch"}
    tables = {"confusion": made.tables / "confusion.csv", "arms": made.tables / "arms.csv"}
    plot_confusion(**tables, **options, svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    assert len(drawn) == MOST_IMAGES
    for tile in drawn:
        text = " ".join(tile.caption)
        assert "x\ufffdy" in text or long in text or "b" in text
        assert any(line.startswith("./\ufffd") and "…" in line and line.endswith(".jpg") for line in tile.caption)
    assert any(long in " ".join(tile.caption) for tile in drawn)
