"""Deal the training images to folds."""

from pathlib import Path

import numpy

from triptych.data.folds import Folds, save_folds
from triptych.data.source import parsed
from triptych.data.splitting import deal, units_by_class
from triptych.results.schema import IMAGES, INDEX, PAIRS
from triptych.results.tables import read_table
from triptych.storage.errors import InputError


def assign_folds(*, dataset: str, images: Path, pairs: Path, index: Path, folds: Path) -> None:
    """Deal the training images of the user's files to folds, each class evenly; units are never divided.

    The order in which the units of a class are dealt is a hash of seed, repeat and content. So neither paths nor the
    test part decide.

    Args:
        dataset: JSON, the keys of the section `dataset` of the configuration that affect results; of these `folds`,
            `repeats` and `seed`.
        images: the table `images` of `check_data`.
        pairs: the table `pairs` of `find_duplicates`; those that a unit holds are in one fold.
        index: the table `index` of `prepare_dataset`: the training images in their order, and their groups.
        folds: the file to write (`triptych.data.folds`).

    Raises:
        InputError: a file is missing or does not fit the other one, or a class has fewer units than there are folds.
    """
    settings = parsed(dataset)
    rows = read_table(index, INDEX)
    train = rows[rows["split"] == "train"].sort_values("row", ignore_index=True)
    pixels = read_table(images, IMAGES).set_index("path")["pixels"]
    if unknown := sorted(set(train["name"]) - set(pixels.index)):
        raise InputError(f"{index}: expected images of {images}, found {unknown[0]}.")
    train = train.assign(path=train["name"], pixels=pixels[train["name"]].to_numpy())
    alike = read_table(pairs, PAIRS)
    labels = train["class"].to_numpy(dtype=object)
    count, seed = settings["folds"], settings["seed"]
    try:
        dealt = [
            deal(units_by_class(train, f"{seed} fold {repeat}", alike), labels, count)
            for repeat in range(settings["repeats"])
        ]
    except InputError as error:
        raise InputError(f"dataset: {error}") from None
    found = Folds(numpy.stack(dealt), count)
    save_folds(folds, found)
    sizes = [int(found.held_out(number).sum()) for number in found.numbers]
    print(
        f"{len(train):,} images in {count} folds, {found.repeats} times: {min(sizes)} to {max(sizes)} held out",
        flush=True,
    )
