"""Prepare the data set on which the default experiment pretrains its weights."""

from pathlib import Path

from triptych.data.dataset import save_split
from triptych.data.letters import LETTERS, TRAIN_STREAM, VALIDATION_STREAM, letter_fonts, render_letters
from triptych.storage.errors import InputError


def prepare_letters(
    *, image_size: int, train_images: int, validation_images: int, seed: int, train: Path, validation: Path
) -> None:
    """Render the letters A to Z for pretraining, and others, drawn independently, to validate on.

    Args:
        image_size: height and width in pixels.
        train_images, validation_images: how many pictures; the letters are taken in turn.
        train, validation: files of `triptych.data.dataset`.

    Raises:
        InputError: there are fewer images than letters, or the images have fewer than 8 px.
    """
    for name, number, smallest in (
        ("image_size", image_size, 8),
        ("train_images", train_images, len(LETTERS)),
        ("validation_images", validation_images, len(LETTERS)),
    ):
        if number < smallest:
            raise InputError(f"{name}: {number} is not allowed; give at least {smallest}.")
    print(f"letters A to Z in {len(letter_fonts())} fonts, {image_size} px", flush=True)
    splits = (
        ("train", TRAIN_STREAM, train_images, train),
        ("validation", VALIDATION_STREAM, validation_images, validation),
    )
    for split, stream, count, path in splits:
        save_split(path, render_letters(count, image_size, seed, stream), {"source": "letters", "split": split})
        print(f"{split}: {count} images", flush=True)
