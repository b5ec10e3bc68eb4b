"""A real graph on given splits where half of the test images are in train as well: found, priced, and refused."""

import html
import io
import json
import re

import pandas
import pytest
from PIL import Image

from tests.data.photos import photograph
from tests.workflow.conftest import snakemake, write_configuration
from triptych.report.formatting import NO_BREAK

CLASSES = ("cat", "dog")
COUNTS = {"train": 30, "val": 8, "test": 12}
"""Images of each class."""
LEAKED = 6
"""Test images of each class that are in train, too: half of them."""
EXPERIMENT = {
    "dataset": {"source": "folder", "path": "photos"},
    "model": {"architecture": "resnet18", "input_size": 32},
    "weights": {"source": "none"},
    "training": {"epochs": 25, "batch_size": 20, "learning_rate": 0.001, "num_threads": 1, "device": "cpu"},
    "seeds": [0],
    "arms": {"scratch": {"weights": "random", "train": "all"}},
}
RESULTS = "results/mine"


def encoded_again(content: bytes, kind: str) -> bytes:
    """The picture in another file: as PNG with the same pixels, as JPEG with nearly the same."""
    again = io.BytesIO()
    Image.open(io.BytesIO(content)).save(again, kind, quality=70)
    return again.getvalue()


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Pictures whose class cannot be seen, so that a network has to remember them, and an experiment that has run."""
    folder = tmp_path_factory.mktemp("leaks")
    number = 0
    for split, count in COUNTS.items():
        for label in CLASSES:
            own = folder / "photos" / split / label
            own.mkdir(parents=True)
            for position in range(count):
                content = photograph(number)
                (own / f"{number}.jpg").write_bytes(content)
                number += 1
                if split == "test" and position < LEAKED:
                    # a third each: byte by byte, as PNG, as another JPEG; the first one with the other label
                    other = CLASSES[1 - CLASSES.index(label)] if position == 0 and label == "cat" else label
                    kind = ("", "PNG", "JPEG")[position % 3]
                    copy = folder / "photos" / "train" / other / f"copy of {number}"
                    copy.with_suffix(".png" if kind == "PNG" else ".jpg").write_bytes(
                        encoded_again(content, kind) if kind else content
                    )
    write_configuration(folder, EXPERIMENT, name="mine")
    snakemake("--cores", "2", "--configfile", "mine.yaml", directory=folder)
    return folder


@pytest.mark.slow
def test_planted_leaks_are_found(done):
    leaks = pandas.read_csv(done / RESULTS / "data/leaks.csv", dtype=str)
    assert leaks["kind"].value_counts().to_dict() == {"exact": 8, "near": 4} and set(leaks["other_split"]) == {"train"}
    assert (leaks["class"] != leaks["other_class"]).sum() == 1
    log = (done / "logs/prepare_dataset/mine.log").read_text()
    assert "12 of 24 test images have a counterpart in train" in log


@pytest.mark.slow
def test_planted_leaks_are_priced(done):
    (price,) = pandas.read_csv(done / RESULTS / "tables/leak_price.csv").to_dict("records")
    assert [price[name] for name in ("arm", "split", "images", "leaked")] == ["scratch", "test", 24, 12]
    assert price["difference"] == pytest.approx(price["accuracy"] - price["accuracy_without"], abs=1e-3)
    assert price["difference"] > 10 and price["low"] > 0
    (summary,) = pandas.read_csv(done / RESULTS / "tables/summary.csv").to_dict("records")
    assert price["accuracy"] == pytest.approx(summary["test_accuracy_mean"], abs=1e-3)


@pytest.mark.slow
def test_the_headline_is_refused_and_the_decision_stays(done):
    page = (done / RESULTS / "report.html").read_text()
    text = html.unescape(re.sub(r"<[^>]+>", "", page)).replace(NO_BREAK, " ")
    refused = "No way can be recommended: 12 of 24 test images (50.0 %) have a duplicate or a near-duplicate in train. "
    assert refused in text
    assert "The run to take is" not in text and "1 picture has two labels: ./test/cat/" in text
    pairs = page.partition('<ul class="pairs">')[2]
    assert pairs.count('<img src="data:image/jpeg;base64,') == 24
    chosen = json.loads((done / RESULTS / "decision.json").read_text())["chosen"]
    assert chosen is None or chosen["arm"] == "scratch"
