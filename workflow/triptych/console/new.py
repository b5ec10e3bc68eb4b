"""Write a configuration for a folder of images, in which every number says where it comes from."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
import yaml

from triptych.configuration.image_files import ImageFiles
from triptych.console.check import described, found_in, refuse
from triptych.console.sizes import share_of
from triptych.console.target import read_target
from triptych.data.found import DATASET, Found
from triptych.data.user_files import open_untouched
from triptych.storage.errors import InputError

FIXED, RULE, MEASURED = "fixed", "rule", "measured"

HEADER = """\
# Written by `triptych new {path}`. Every number says where it comes from:
#   fixed     a default that suits most data sets; change it as you like
#   rule      follows from something else, by the rule that is named
#   measured  was measured, on what is named
# What is not here has its default. Every key: docs/configuration.md.
#
{facts}
experiments:
  {key}: # its results go to results/{name}/
"""

NOTES: Mapping[str, Mapping[str, str]] = {
    "dataset": {
        "source": "",
        "path": "relative to the folder where you run",
        "validation": f"{FIXED}: the share of each class that the arm is chosen on; {{validation}} here",
        "test": f"{FIXED}: the share of each class that is tested once, after the choice; {{test}} here",
        "seed": f"{FIXED}: any number; another one draws another split",
        "store_size": f"{RULE}: 8/7 of the largest input_size, rounded up",
        "fit": "crop, squash or pad",
        "largest_megapixels": f"{FIXED}: larger files are refused",
        "policy": "stop: files that cannot be used stop the run; quarantine: they are left out",
    },
    "model": {
        "architecture": "a network of torchvision",
        "input_size": f"{FIXED}: the size of most ImageNet weights, in pixels; smaller is faster{{small}}",
    },
    "weights": {"source": "ImageNet's, downloaded once; none for random weights alone"},
    "training": {
        "epochs": f"{FIXED}: the report says whether more would help",
        "batch_size": f"{FIXED}: smaller if memory is short",
        "num_threads": f"{FIXED}: of each training on a CPU; changes the last bits of results",
        "device": "auto: a GPU if there is one",
        "precision": "bfloat16 is faster where the hardware has it",
        "checkpoint_minutes": f"{FIXED}: at most so much is lost when a run is stopped",
    },
    "comparison": {
        "metric": "balanced_accuracy if rare classes count as much as frequent ones",
        "equivalence_margin": f"{FIXED}: below this many points arms count as equivalent",
        "confidence": f"{FIXED}: of all intervals",
    },
}
"""The keys that are written, by section, each with its comment; a number has one that begins with its kind."""

NOTE_OF_SEEDS = f"{RULE}: three runs are the fewest that give a verdict"
NOTE_OF_RATES = f"{MEASURED}: the best of four on CIFAR-10 (config/learning-rates.yaml)"

MOST_HEADERS = 200
"""The most files of which the size is read."""


def new(
    images: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="A folder with a folder of images for each class, or a CSV file.", show_default=False
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file to write; by default named after the folder.", show_default=False),
    ] = None,
) -> None:
    """Write a configuration that says what triptych run FOLDER does, with a comment at every number.

    Numbers are fixed, follow from a rule (which is named), or were measured (on what is named).
    """
    if not images.exists():
        raise InputError(f"{images}: there is no such file or folder; give a folder of images or a CSV file.")
    target = read_target(images)
    if not target.is_images:
        raise InputError(f"{images}: this is a configuration already; give a folder of images or a CSV file.")
    ((name, experiment),) = target.configuration.experiments.items()
    output = output or Path(f"{name}.yaml")
    if output.exists():
        raise InputError(f"{output}: this file exists and is not replaced; give another one with --output FILE.")
    dataset = experiment.dataset
    assert isinstance(dataset, ImageFiles)
    found = found_in(dataset)
    refuse(images, [one for one in found.problems if one.kind == DATASET], "stop")
    content = configuration_text(name, target.settings["experiments"][name], found)
    try:
        with output.open("x", encoding="utf-8") as file:  # never over a file that appeared meanwhile
            file.write(content)
    except FileNotFoundError:
        raise InputError(f"{output.parent}: there is no such folder; make it first.") from None
    following = "; ".join(shlex.join(["triptych", command, str(output)]) for command in ("check", "estimate", "run"))
    print(f"{output}: written. Next: {following}")


def configuration_text(name: str, settings: Mapping[str, Any], found: Found) -> str:
    """Return the configuration of one experiment on image files as YAML, with its comments.

    Args:
        name: of the experiment.
        settings: its effective configuration.
        found: its images.
    """
    dataset = settings["dataset"]
    sizes = _sizes(found)
    facts = [f"# {line} (counted)" for line in described(found)]
    small = ""
    if sizes:
        width, height = (int(median(side)) for side in zip(*sizes, strict=True))
        facts.append(f"# median size {width} x {height} px (measured on {len(sizes):,} files)")
        if min(width, height) < settings["model"]["input_size"] / 2:
            small = f"; most images here are smaller ({width} x {height})"
    values = {
        "side": dataset["store_size"],
        "small": small,
        **{part: _images_of(found, part, dataset[part]) for part in ("validation", "test")},
    }
    written = dict(settings) | {"dataset": dict(dataset) | {"store_size": None}}
    lines = [HEADER.format(path=dataset["path"], key=_scalar(name), name=name, facts="\n".join(facts))]
    lines.append(f"    question: {_scalar(settings['question'])}\n")
    for section, notes in NOTES.items():
        lines.append(f"    {section}:\n")
        for key, note in notes.items():
            lines.append(_line(6, key, written[section][key], note.format(**values)))
    lines.append(_line(4, "seeds", settings["seeds"], NOTE_OF_SEEDS))
    lines.append("    arms:\n")
    for arm, given in settings["arms"].items():
        lines.append(f"      {arm}:\n")
        lines += [_line(8, key, given[key], "") for key in ("weights", "train", "batchnorm")]
        lines.append("        training:\n")
        lines.append(_line(10, "learning_rate", given["training"]["learning_rate"], NOTE_OF_RATES))
    return "".join(lines)


def _line(indent: int, key: str, value: Any, note: str) -> str:
    comment = f" # {note}" if note else ""
    return f"{' ' * indent}{key}: {_scalar(value)}{comment}\n"


def _scalar(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("...\n").strip()


def _images_of(found: Found, part: str, share: float) -> str:
    """Return about how many images a part has, in words."""
    given = sum(item.split == part for item in found.items)
    if given:
        return f"not used, {given:,} images are given"
    pool = sum(item.split in ("", "train") for item in found.items)
    return f"about {share_of(share, pool, len(found.classes)):,} images"


def _sizes(found: Found) -> list[tuple[int, int]]:
    """Return width and height in pixels of some of the files, from their headers."""
    from PIL import Image

    sizes = []
    step = max(1, len(found.items) // MOST_HEADERS)
    for item in found.items[::step]:
        try:
            with open_untouched(item.file) as file, Image.open(file) as image:
                sizes.append(image.size)
        except Exception:  # the check says what is wrong with it
            continue
    return sizes
