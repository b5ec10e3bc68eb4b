"""Write docs/recording.md: what `triptych` says from a folder of images to an exported classifier, word for word.

    python benchmarks/recording.py flowers --weights resnet18.pth

The commands run in a fresh clone of this checkout. The weights file takes the place of the download, so that no network
is needed; a few images of each class are kept out of the experiment, as a later delivery.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from shutil import copytree

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "workflow")]

from triptych.console.machine import cores
from triptych.storage.files import sha256, write_text

LATER = 4
"""Images of each class that are kept out, as a later delivery."""
SAID_FROM = 60
"""Seconds from which the page says how long a command took."""
PAGE = """# A session, recorded

What the commands of [`triptych`](console.md) say, from {images} photographs of flowers in {classes} folders to an
exported classifier: recorded on {date} by `benchmarks/recording.py` in a fresh clone, on a computer with {cores} cores
and without a GPU ({system}, torch {torch}). {later} more photographs were kept out, as a later delivery.

{steps}"""


def steps(weights: Path) -> list[tuple[str, str]]:
    """Return what the page says before each command, and the command."""
    file = f"path: {weights.name}\\n      sha256: {sha256(weights)}"
    changes = (
        f"-e 's/input_size: 224.*/input_size: 96/' -e 's/source: torchvision .*/source: torchvision\\n      {file}/' "
    )
    return [
        ("A configuration, in which each number says where it comes from.", "triptych new photos"),
        (
            "Smaller images, to be ready within minutes without a GPU; weights from a file, since this computer has no "
            "network.",
            f"sed -i {changes}photos.yaml",
        ),
        ("Is everything usable? `--decode` looks into each file.", "triptych check --decode photos.yaml"),
        ("How long will it take?", "triptych estimate photos.yaml"),
        (
            "The run. On a terminal each training has a line that moves; in a file, as here, there is a line a minute.",
            "triptych run photos.yaml",
        ),
        ("The answer again, at any time.", "triptych results"),
        (
            "What is in the pictures that came later?",
            "triptych predict results/photos/model later/roses later/tulips",
        ),
        ("How good is it on all of them?", "triptych evaluate results/photos/model later"),
        ("For other programs.", "triptych export results/photos/model --onnx flowers.onnx"),
    ]


def moved(images: Path, folder: Path) -> tuple[int, int, int]:
    """Copy the images to `photos/`, and the last few of each class to `later/`; return classes, images, kept out."""
    copytree(images, folder / "photos")
    classes = sorted(path for path in (folder / "photos").iterdir() if path.is_dir())
    kept_out = [path for one in classes for path in sorted(one.iterdir())[-LATER:]]
    for path in kept_out:
        target = folder / "later" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    return len(classes), sum(len(list(one.iterdir())) for one in classes), len(kept_out)


def said(command: str, folder: Path) -> str:
    """Return a command with all that it printed, and its time if that is long. A failure ends the recording."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "workflow"),
        "COLUMNS": "120",
    }
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    took = time.monotonic() - began
    text = re.sub(rf"{re.escape(str(folder))}/?", "", done.stdout).rstrip()
    print(f"{command}\n{text}\n", flush=True)
    if done.returncode:
        sys.exit(f"{command}: ended with status {done.returncode}")
    block = "\n".join(["```text", f"$ {command}", *([text] if text else []), "```"])
    return block + (f"\n\nIt took {took / 60:.1f} minutes." if took >= SAID_FROM else "")


def main() -> None:
    """Parse the arguments, record, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("images", type=Path, help="a folder with a folder of images for each class")
    parser.add_argument("--weights", type=Path, required=True, help="a torchvision state_dict of ResNet-18")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "recording.md")
    options = parser.parse_args()
    weights = options.weights.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "triptych"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        classes, images, later = moved(options.images.resolve(), folder)
        (folder / weights.name).symlink_to(weights)
        page = PAGE.format(
            images=images, classes=classes, later=later, date=datetime.now(UTC).date(), cores=cores(),
            system=f"{platform.system()}, Python {platform.python_version()}", torch=version("torch"),
            steps="\n".join(f"{words}\n\n{said(command, folder)}\n" for words, command in steps(weights)),
        )  # fmt: skip
    write_text(options.output, page)


if __name__ == "__main__":
    main()
