"""The confusion matrix of an arm, and the test images that it misclassifies with the most confidence."""

import json
from pathlib import Path

import numpy
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure

from triptych.data.dataset import Split, load_split
from triptych.figures import style
from triptych.figures.tables import image_names, read_arms
from triptych.figures.tiles import Tile, captioned, draw_tiles, padded, tile_height, tile_rows, tile_width
from triptych.results import schema
from triptych.results.arm_styles import arm_styles, style_of
from triptych.results.mistakes import Mistake, mistakes_of, softmax
from triptych.results.run_names import seeds_in_words
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_tensors

MOST_IMAGES = 8
COLUMNS = 4
MOST_PRINTED = 15
MOST_LABELLED = 40
MARGIN = 0.1
TICKS = 9
"""Largest size in points of the names of classes beside the matrix."""
WIDEST_LABEL = 1.1
"""Their most inches."""
SHARES = LinearSegmentedColormap.from_list("shares", ("#ffffff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"))
# A square root, since rare errors would be white on a linear scale.
SHARES_NORM = PowerNorm(0.5, vmin=0, vmax=100)


def plot_confusion(
    *,
    confusion: Path,
    arms: Path,
    arm: str,
    experiment_folder: Path,
    runs: str,
    mode: str,
    images: str = "all",
    svg: Path,
    png: Path,
) -> None:
    """Draw the confusion matrix of one arm and its most confidently misclassified test images, mean over seeds.

    `runs` is a JSON list of the names of its runs. With `images` none the matrix stands alone. `mode` is when test
    images are evaluated: after_decision or every_epoch.
    """
    if mode not in schema.TESTED:
        raise InputError(f"mode: {mode!r} is none of {', '.join(schema.TESTED)}")
    look = style_of(arm_styles(read_arms(arms)), arm, arms)
    test = load_split(experiment_folder / "data" / "test.safetensors")
    names = image_names(experiment_folder / "data" / "index.csv", "test")
    shares = confusion_matrix(confusion, arm, test.classes)
    file = "predictions.safetensors" if mode == schema.EVERY_EPOCH else "test.safetensors"
    named = json.loads(runs)
    logits = [load_tensors(experiment_folder / "runs" / arm / run / file)["test_logits"] for run in named]
    mistakes = mistakes_of(numpy.stack([softmax(run) for run in logits]), test.labels)

    over = seeds_in_words(named)
    heading = style.wrapped(f"{look.title}: true and predicted classes ({over})")
    tile_side = tile_width(COLUMNS, style.WIDTH - 2 * MARGIN)
    tiles = mistake_tiles(mistakes[:MOST_IMAGES], test, names, tile_side)
    labels = [tick_label(name) for name in test.classes]
    widest = max(style.width_of(label, TICKS) for label in labels)
    upright = max(map(len, labels)) > 2  # names of classes stand upright below the matrix unless they are short
    left = 0.45 + widest
    top = 0.2 * (heading.count("\n") + 1) + 0.15
    printed = len(test.classes) <= MOST_PRINTED
    side = style.WIDTH - left - (0.15 if printed else 0.75)
    below = 0.5 + widest if upright else 0.55
    tiles_top = top + side + below + 0.5
    caption_lines = len(tiles[0].caption) if tiles else 0
    height = tiles_top + tile_rows(len(tiles), COLUMNS) * tile_height(tile_side, caption_lines) + 0.05
    if images == "none":
        height = top + side + below
    figure = Figure(figsize=(style.WIDTH, height))
    style.write(figure, 0.06, 0.08, heading, fontsize=11, fontweight="bold")
    draw_matrix(style.place(figure, left, top, side, side), shares, test.classes, upright=upright)
    if not printed:
        draw_colour_bar(figure, left + side + 0.12, top, side)
    if images == "none":
        style.save(figure, svg, png)
        return
    images_heading, note = words_on_mistakes(len(tiles), len(mistakes), len(test), len(named))
    style.write(figure, 0.06, tiles_top - 0.46, images_heading, fontweight="bold")
    style.write(figure, 0.06, tiles_top - 0.25, note, fontsize=style.SMALL, color=style.MUTED)
    draw_tiles(figure, tiles, COLUMNS, MARGIN, tiles_top, style.WIDTH - 2 * MARGIN)
    style.save(figure, svg, png)


def confusion_matrix(path: Path, arm: str, classes: list[str]) -> numpy.ndarray:
    """Return the shares (0 to 1) of an arm's confusion.csv as [true class, predicted class]; missing pairs are 0.

    Raises:
        InputError: the table does not know the arm, or names a class that the data does not have.
    """
    table = read_table(path, schema.CONFUSION)
    table = table[table["arm"] == arm]
    if table.empty:
        raise InputError(f"{path}: no row of arm {arm!r}")
    unknown = sorted(({*table["true_class"]} | {*table["predicted_class"]}) - {*classes})
    if unknown:
        raise InputError(f"{path}: class {unknown[0]!r} is none of the test data's ({', '.join(classes[:20])})")
    matrix = table.pivot(index="true_class", columns="predicted_class", values="share")
    return matrix.reindex(index=classes, columns=classes).fillna(0.0).to_numpy()


def mistake_tiles(mistakes: list[Mistake], test: Split, names: dict[int, str], tile_side: float) -> list[Tile]:
    """Return the misclassified images with their classes (true → predicted), name and probability as captions."""
    tiles = []
    for mistake in mistakes:
        true, predicted = test.classes[test.labels[mistake.row]], test.classes[mistake.predicted]
        # Long names of classes take lines of their own.
        classes = [f"{true} → {predicted}"] if len(true + predicted) <= 14 else [true, f"→ {predicted}"]
        image, probability = test.images[mistake.row], f"{100 * mistake.probability:.0f} %"
        tiles.append(captioned(image, tile_side, classes, names[mistake.row], probability))
    return padded(tiles)


def words_on_mistakes(shown: int, mistaken: int, images: int, seeds: int) -> tuple[str, str]:
    """Return the heading over the misclassified images, and a note on them."""
    if not mistaken:
        return "No mistakes", f"each of the {images:,} test images is classified correctly"
    heading = (
        f"All {mistaken} misclassified images"
        if shown == mistaken
        else f"The {shown} most confident of {mistaken:,} misclassified images"
    )
    if seeds == 1:
        return heading, f"of {images:,} in the test split; true → predicted, probability"
    return heading, f"of {images:,}; misclassified with at least one seed; true → predicted, mean probability"


def tick_label(name: str) -> str:
    """Return the name of a class as it stands beside the matrix."""
    return style.fitted(name, WIDEST_LABEL, TICKS)


def draw_matrix(axes: Axes, shares: numpy.ndarray, classes: list[str], upright: bool) -> None:
    """Draw the matrix: a row for each true class, in percent of its images; numbers if there is room."""
    count = len(classes)
    axes.imshow(100 * shares, cmap=SHARES, norm=SHARES_NORM, interpolation="none", aspect="auto")
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, linewidth=0.6)
    axes.set(xlabel="predicted class", ylabel="true class (each row is 100 %)")
    if count <= MOST_LABELLED:
        places, size = range(count), TICKS if count <= MOST_PRINTED else style.SMALL if count <= 30 else 7
    else:
        places, size = range(0, count, -(-count // 20)), style.SMALL
    texts = [tick_label(classes[place]) for place in places]
    axes.set_xticks(places, texts, fontsize=size, rotation=90 if upright else 0)
    axes.set_yticks(places, texts, fontsize=size)
    axes.tick_params(length=0 if count <= MOST_LABELLED else 3)
    for row, column in numpy.ndindex(shares.shape) if count <= MOST_PRINTED else ():
        percent = 100 * shares[row, column]
        if percent > 0:
            axes.text(
                column,
                row,
                f"{percent:.0f}" if percent >= 1 else "<1",
                horizontalalignment="center",
                verticalalignment="center",
                fontsize=9,
                color=colour_on_cell(float(percent)),
            )


def colour_on_cell(percent: float) -> str:
    """Return the colour of a number over a cell of the matrix."""
    if percent > 30:
        return style.WHITE_ON_IMAGE
    return style.INK_ON_IMAGE if percent >= 1 else style.MUTED_ON_IMAGE


def draw_colour_bar(figure: Figure, left: float, top: float, height: float) -> None:
    """Draw the colour bar, as high as the matrix."""
    bar = figure.colorbar(
        ScalarMappable(SHARES_NORM, SHARES),
        cax=style.place(figure, left, top, 0.12, height),
        ticks=(0, 1, 5, 20, 50, 100),
    )
    bar.ax.set_yticklabels([f"{tick} %" for tick in (0, 1, 5, 20, 50, 100)], fontsize=style.SMALL)
    bar.ax.grid(visible=False)
