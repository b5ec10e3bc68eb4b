"""Sample images with their names."""

import numpy
import pytest

from triptych.data.dataset import Split, save_split
from triptych.figures import plot_samples
from triptych.figures.tiles import Tile
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_tensors


@pytest.mark.parametrize(("classes", "each"), [(2, 6), (10, 3), (26, 2), (100, 1), (1000, 1)])
def test_classes_share_rows_evenly(classes, each):
    assert plot_samples.images_of_a_class(classes) == each
    assert plot_samples.COLUMNS % each == 0


def test_every_tile_has_the_image_its_caption_names(results, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plot_samples, "draw_tiles", lambda figure, tiles, *place: drawn.extend(tiles))
    data = results.folder / "data" / "train.safetensors"
    options = {"index": results.folder / "data" / "index.csv", "svg": tmp_path / "a.svg", "png": tmp_path / "a.png"}
    plot_samples.plot_samples(data=data, **options)
    tensors = load_tensors(data)
    assert len(drawn) == 30 and all(isinstance(tile, Tile) for tile in drawn)
    for tile in drawn:
        name_of_class, name = tile.caption
        row = int(name.removeprefix("digits-"))  # the made-up index counts the training images first
        assert str(tensors["labels"][row]) == name_of_class
        assert numpy.array_equal(tensors["images"][row], tile.image)


def test_no_images(results, tmp_path):
    data = tmp_path / "train.safetensors"
    empty = Split(numpy.zeros((0, 8, 8, 3), numpy.uint8), numpy.zeros(0, numpy.int64), ["0"])
    save_split(data, empty, {"split": "train"})
    options = {"index": results.folder / "data" / "index.csv", "svg": tmp_path / "a.svg", "png": tmp_path / "a.png"}
    with pytest.raises(InputError, match=r"train\.safetensors: there are no images"):
        plot_samples.plot_samples(data=data, **options)
    assert not options["svg"].exists()
