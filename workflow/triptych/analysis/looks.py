"""Looks: how often an experiment was decided on the same images. More seeds, and looking again, may err again.

The record of decisions is a log of JSON lines, which only grows. The look of a decision is the position of its seeds
among the different sets of seeds that were decided on with the same images, in the order of the record. So the same
seeds are the same look, whenever they are decided on. Sets that are too small for a verdict on arms are no look.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy

from triptych.analysis.comparisons import SEEDS_FOR_A_VERDICT
from triptych.results.openings import parsed_lines
from triptych.results.schema import INDEX
from triptych.results.tables import read_table
from triptych.storage.files import append_line


def record_look(record: Path, images: str, seeds: Iterable[int], repeats: int | None = None) -> int:
    """Append a decision to the record, and return which look at these images it is, from 1.

    With fewer seeds than `SEEDS_FOR_A_VERDICT` it is the first: no verdict on arms can be wrong.

    Args:
        record: JSON lines: `time` (UTC), `images`, the sorted `seeds` and, with folds, `repeats`. A line that was cut
            off, or whose `seeds` are no list of integers, does not count. It is made if missing.
        images: `digest_of_images`.
        seeds: of all arms that are compared.
        repeats: how often the folds were dealt; None without folds.
    """
    entry = {"images": images, "seeds": sorted(set(seeds)), **({} if repeats is None else {"repeats": repeats})}
    lines = append_line(record, json.dumps(entry | {"time": datetime.now(UTC).isoformat()}, sort_keys=True))
    decisions = (line for line in parsed_lines(lines, "seeds") if line.get("images") == images)
    looks: list[tuple[object, object]] = []
    for decision in decisions:
        own = decision["seeds"]
        if not isinstance(own, list) or not all(isinstance(seed, int) for seed in own):
            continue
        look = (sorted(set(own)), decision.get("repeats"))
        if look not in looks and len(look[0]) >= SEEDS_FOR_A_VERDICT:
            looks.append(look)
    now = (entry["seeds"], repeats)
    return looks.index(now) + 1 if now in looks else 1


def digest_of_images(
    split: str, labels: numpy.ndarray, groups: numpy.ndarray | None = None, index: Path | None = None
) -> str:
    """Return the SHA-256 (hexadecimal) of which images decide, and of their split, labels and groups.

    Args:
        split: validation, test or out_of_fold.
        labels: int64 [images].
        groups: int64 [images], or None.
        index: the table `index` of `prepare_dataset`, with the checksum of every image. Optional.

    Raises:
        InputError: the table is missing or broken.
    """
    digest = hashlib.sha256(split.encode())
    for part in (labels, groups):
        digest.update(b"" if part is None else part.astype("<i8").tobytes())
        digest.update(b"\n")
    if index is not None:
        rows = read_table(index, INDEX, ["split", "sha256"])
        own = rows.loc[rows["split"] == ("train" if split == "out_of_fold" else split), "sha256"]
        digest.update("".join(own).encode())
    return digest.hexdigest()
