"""The script beside the weights builds networks that need arguments or versions of their own, and says the same."""

import json
import subprocess
import sys

import numpy
import pandas
import pytest
import torch
from PIL import Image

from tests.evaluation.conftest import ARM, model_options, write_decision
from triptych.data.dataset import Split, save_split
from triptych.evaluation.model_folder import load_model
from triptych.evaluation.write_model import write_model
from triptych.models.networks import build_network, network_metadata, state_arrays
from triptych.results.schema import INDEX, LEAKS
from triptych.results.tables import save_table
from triptych.storage.tensors import save_tensors

RECIPE = {"precision": "float32", "channels_last": False, "evaluation_batch_size": 16, "num_threads": 1}
DATASET = {"source": "folder", "fit": "crop", "background": "white", "value_range": None, "largest_megapixels": 100}
CLASSES = ["a", "b", "c"]
NORMALISATION = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}


def untrained(folder, architecture, size, stored):
    """A model with random weights, and pictures for it; the recorded test results are made up."""
    data, run, model = (folder / name for name in ("data", f"runs/{ARM}/seed0", "model"))
    for path in (data, run, model):
        path.mkdir(parents=True)
    generator = numpy.random.default_rng(0)
    images = generator.integers(0, 256, (6, stored, stored, 3), dtype=numpy.uint8)
    for split in ("train", "validation", "test"):
        save_split(data / f"{split}.safetensors", Split(images, numpy.arange(6) % 3, CLASSES, crop=stored > size))
    torch.manual_seed(0)
    network = build_network(architecture, 3, size, transform_input=architecture == "googlenet")
    metadata = network_metadata(
        network, architecture=architecture, classes=CLASSES, input_size=size, normalisation=NORMALISATION
    )
    recipe = RECIPE | {"keep": "last", "patience": None}
    metadata["run"] = {"recipe": recipe, "phases": [{"trainable": "all", "batchnorm": "train"}], "torch": "2"}
    save_tensors(model / "model.safetensors", state_arrays(network), metadata)
    for name, tensor in (("predictions", "validation_logits"), ("test", "test_logits")):
        save_tensors(run / f"{name}.safetensors", {tensor: generator.normal(size=(6, 3)).astype(numpy.float32)})
    (run / "cost.json").write_text(json.dumps({"device": "cpu", "device_name": "made up"}))
    rows = [{"split": "test", "row": row, "name": row, "sha256": "-", "class": CLASSES[row % 3]} for row in range(6)]
    save_table(data / "index.csv", pandas.DataFrame(rows, columns=INDEX.names), INDEX)
    save_table(data / "leaks.csv", pandas.DataFrame(columns=LEAKS.names), LEAKS)
    write_decision(folder / "decision.json", {"arm": ARM, "seed": 0})
    write_model(**model_options(folder, model, dataset=json.dumps(DATASET | {"store_size": stored})))
    files = [folder / f"{number}.png" for number in range(6)]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image).save(file)
    return model, files


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "size", "stored"),
    [("vit_b_32", 64, 74), ("maxvit_t", 224, 200), ("googlenet", 64, 80), ("mnasnet0_5", 32, 37)],
)
def test_it_says_what_predict_says(tmp_path, architecture, size, stored):
    folder, files = untrained(tmp_path, architecture, size, stored)
    model = load_model(folder)
    answers = [model.answer(one.logits) for one in model.predict(files)]
    call = [sys.executable, "-W", "error", folder / "predict.py", *files]
    said = subprocess.run(call, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    expected = [f"{file}  {one.predicted}  {one.probability:.4f}" for file, one in zip(files, answers, strict=True)]
    assert [line.rpartition("  ")[0] for line in said] == expected
