"""The letters of the pretraining."""

import numpy

from triptych.data.dataset import load_split
from triptych.data.letters import LETTERS
from triptych.data.prepare_letters import prepare_letters
from triptych.figures import plot_letters


def test_the_letters_are_the_first_of_the_training_set(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plot_letters, "draw_tiles", lambda figure, tiles, *place: drawn.extend(tiles))
    plot_letters.plot_letters(image_size=16, seed=3, svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    train, validation = tmp_path / "train.safetensors", tmp_path / "validation.safetensors"
    prepare_letters(image_size=16, train_images=60, validation_images=26, seed=3, train=train, validation=validation)
    images = load_split(train).images
    assert [tile.caption for tile in drawn] == [(letter,) for letter in 2 * LETTERS]
    assert all(numpy.array_equal(tile.image, image) for tile, image in zip(drawn, images, strict=False))
