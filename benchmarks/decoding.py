"""Compare decoding by the package's rules with a bare decode by Pillow, on one core.

    python benchmarks/decoding.py --output benchmarks/decoding-mine

Ours is everything from a file's bytes to the stored square: `triptych.data.decoding.decode` and `fitted`. The baseline
only decodes: `PIL.Image.open(...).load()`. Both are measured in CPU seconds over the same JPEG files, in turn, so that
a change in the load of the machine affects both. The files are textures, all different, or those of `--files`.
"""

import argparse
import io
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import pandas
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "workflow")]

from triptych.data.decoding import DecodingRule, decode, decoder_versions, fitted
from triptych.storage.files import write_table, write_text

RULE = DecodingRule()


def texture(generator: numpy.random.Generator, width: int, height: int) -> bytes:
    """Return a JPEG file of noise at three scales; about as many bytes a pixel as a photograph."""
    total = numpy.zeros((height, width, 3), numpy.float32)
    for cells, weight in ((8, 60), (60, 30), (500, 6)):
        coarse = generator.normal(0, weight, (max(2, cells * height // width), cells, 3)).astype(numpy.float32)
        layers = [
            Image.fromarray(coarse[..., band]).resize((width, height), Image.Resampling.BICUBIC) for band in range(3)
        ]
        total += numpy.stack([numpy.asarray(layer) for layer in layers], -1)
    file = io.BytesIO()
    Image.fromarray((total + 128).clip(0, 255).astype(numpy.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def bare(content: bytes) -> None:
    Image.open(io.BytesIO(content)).load()


def ours(size: int) -> Callable[[bytes], object]:
    return lambda content: fitted(decode(content, RULE, size).image, size, "crop", RULE.background)


def rate(function: Callable[[bytes], object], files: list[bytes]) -> float:
    """Return files per CPU second."""
    clock = time.process_time()
    for content in files:
        function(content)
    return len(files) / (time.process_time() - clock)


def row(what: str, files: list[bytes], size: int, repeats: int) -> dict[str, object]:
    """Return a line of the table; its ratio is that of the medians."""
    measured = [(rate(bare, files), rate(ours(size), files)) for _ in range(repeats + 1)][1:]  # the first is a warm-up
    ratios = [ours_rate / bare_rate for bare_rate, ours_rate in measured]
    bare_rate, ours_rate = (statistics.median(rates) for rates in zip(*measured, strict=True))
    return {
        "what": what,
        "files": len(files),
        "megabytes_each": round(sum(map(len, files)) / len(files) / 1e6, 3),
        "bare_per_second": round(bare_rate, 1),
        "ours_per_second": round(ours_rate, 1),
        "ratio": round(ours_rate / bare_rate, 2),
        "lowest_ratio": round(min(ratios), 2),
        "highest_ratio": round(max(ratios), 2),
        "n": repeats,
    }


def markdown(table: pandas.DataFrame, about: dict[str, object]) -> str:
    """Return the table with the description of the machine."""
    lines = [f"- {key}: {value}" for key, value in about.items()]
    head = [
        "JPEG files",
        "MB each",
        "bare decode, images/s",
        "decode and fit, images/s",
        "ratio (lowest to highest)",
        "n",
    ]
    lines += ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for line in table.itertuples():
        ratio = f"**{line.ratio}** ({line.lowest_ratio} to {line.highest_ratio})"
        cells = [
            f"{line.files} {line.what}",
            line.megabytes_each,
            line.bare_per_second,
            line.ours_per_second,
            ratio,
            line.n,
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="where to write .csv and .md, without the ending")
    parser.add_argument("--files", type=Path, help="a folder; its .jpg files, at any depth, are a line of their own")
    parser.add_argument("--small", type=int, default=300, help="files of 500 x 330 pixels")
    parser.add_argument("--large", type=int, default=10, help="files of 4,000 x 3,000 pixels")
    parser.add_argument("--size", type=int, default=256, help="pixels a side of the stored square")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    generator = numpy.random.default_rng(0)
    sets = {
        "of 500 x 330": [texture(generator, 500, 330) for _ in range(options.small)],
        "of 4,000 x 3,000": [texture(generator, 4000, 3000) for _ in range(options.large)],
    }
    if options.files:
        sets["of the folder"] = [path.read_bytes() for path in sorted(options.files.rglob("*.jpg"))]
    table = pandas.DataFrame([row(what, files, options.size, options.repeats) for what, files in sets.items()])
    about = {
        "machine": f"{platform.machine()}, one core",
        "square": f"{options.size} px, fit: crop",
        "versions": f"{decoder_versions()}, Python {platform.python_version()}",
    }
    for key, value in about.items():
        table[key] = value
    write_table(options.output.with_suffix(".csv"), table)
    write_text(options.output.with_suffix(".md"), markdown(table, about))
    print(options.output.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
