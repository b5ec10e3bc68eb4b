"""An exported model says the same in ONNX Runtime as the model does, or there is no file."""

import json
import os

import numpy
import pytest

from tests.evaluation.conftest import mean_of_members
from triptych.data.dataset import load_split
from triptych.evaluation import export as module
from triptych.evaluation.export import Agreement, export, resizing
from triptych.evaluation.model_folder import load_model
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_tensors
from triptych.training.batches import EvaluationTransform

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def exported(experiment, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export(experiment / "model", onnx=path)
    return path


@pytest.fixture
def alone(experiment, tmp_path):
    """The model without its experiment."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (experiment / "model").iterdir():
        os.link(path, folder / path.name)
    return folder


def test_onnx_runtime_gives_the_test_logits(experiment, exported):
    session = onnxruntime.InferenceSession(exported)
    images = numpy.array(load_split(experiment / "data" / "test.safetensors").images)
    logits, probabilities, calibrated = session.run(None, {"images": images})
    expected = load_tensors(experiment / "runs/mine/seed0/test.safetensors")["test_logits"]
    assert logits == pytest.approx(expected, abs=1e-4)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    about = session.get_modelmeta().custom_metadata_map
    model = json.loads((experiment / "model" / "model.json").read_text())
    assert json.loads(about["classes"]) == model["classes"]
    assert "crop to 37 x 37 pixels with Pillow's bilinear filter" in about["preprocessing"]
    powers = numpy.exp(logits / model["temperature"])
    assert calibrated == pytest.approx(powers / powers.sum(axis=1, keepdims=True), abs=1e-5)
    one = session.run(["logits"], {"images": images[:1]})[0]
    assert one == pytest.approx(expected[:1], abs=1e-4)


@pytest.mark.slow
def test_an_ensemble_is_one_graph_with_all_its_members(ensemble, tmp_path):
    path = tmp_path / "model.onnx"
    export(ensemble, onnx=path)
    session = onnxruntime.InferenceSession(path)
    images = numpy.array(load_split(ensemble / "data" / "test.safetensors").images)
    logits, probabilities, calibrated = session.run(None, {"images": images})
    mean = mean_of_members(ensemble, "test", "test")
    assert probabilities == pytest.approx(mean, abs=1e-4)
    assert logits == pytest.approx(numpy.log(mean), abs=1e-3)
    sharper = mean ** (1 / json.loads((ensemble / "model" / "model.json").read_text())["temperature"])
    assert calibrated == pytest.approx(sharper / sharper.sum(axis=1, keepdims=True), abs=1e-4)


def test_more_weights_than_a_file_holds_are_refused(ensemble, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_GIGABYTES", 0.05)
    with pytest.raises(InputError, match=r"the weights have 0\.1 GB, and an ONNX file holds at most 0\.05"):
        export(ensemble, onnx=tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("stored", "size"), [(8, 32), (64, 32), (37, 32), (100, 33)])
def test_resizing_by_products_is_that_of_evaluation(stored, size):
    import torch

    images = torch.from_numpy(numpy.random.default_rng(0).integers(0, 256, (2, stored, stored, 3), dtype=numpy.uint8))
    expected = EvaluationTransform(size, [0, 0, 0], [1, 1, 1], torch.device("cpu"))(images)
    weights = resizing(stored, size)
    found = weights @ images.permute(0, 3, 1, 2).float() @ weights.T / 255
    assert found.numpy() == pytest.approx(expected.numpy(), abs=2e-6)


def test_what_differs_is_not_written(experiment, tmp_path, monkeypatch):
    """A stand-in writes the file; ONNX Runtime's answers are made up."""
    monkeypatch.setattr(module, "write_onnx", lambda model, path: path.write_bytes(b"onnx"))
    monkeypatch.setattr(module, "compare", lambda *arguments: Agreement(images=45, largest=3e-4, other_class=2))
    path = tmp_path / "model.onnx"
    message = "not written. On 45 images ONNX Runtime differs from the model: 2 have another class, and a probability "
    with pytest.raises(InputError, match=message + r"differs by 3\.0e-04 \(0\.0001 is allowed\)"):
        export(experiment / "model", onnx=path)
    assert not list(tmp_path.iterdir())


def test_other_weights_in_the_file_are_found(experiment, exported):
    model = load_model(experiment / "model")
    images = numpy.array(load_split(experiment / "data" / "test.safetensors").images)
    assert module.compare(model, exported, images[:20], [images[20:]]).is_close
    import torch

    with torch.no_grad():
        model.networks[0].get_parameter("fc.bias")[0] += 0.01
    assert not module.compare(model, exported, images[:20], [images[20:]]).is_close


@pytest.mark.parametrize(
    ("expected", "found", "is_close"),
    [
        ([0.5, 0.5], [0.50005, 0.49995], True),
        ([0.50005, 0.49995], [0.49996, 0.50004], True),  # a tie
        ([0.5, 0.5], [0.5002, 0.4998], False),
        ([0.9, 0.1], [0.1, 0.9], False),
    ],
)
def test_the_class_may_differ_in_a_tie_alone(expected, found, is_close):
    agreement = Agreement()
    agreement.add(numpy.array([expected]), numpy.array([found]))
    assert agreement.is_close is is_close


def test_without_the_test_images_others_are_needed(experiment, alone, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="nothing to compare on; give images with --images FOLDER"):
        export(alone, onnx=tmp_path / "model.onnx")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"broken\.png: no PNG header"):
        export(alone, onnx=tmp_path / "model.onnx", images=[broken])
    found = list(module.stored_images(load_model(alone), [experiment.parent / "photos"]))
    assert sum(map(len, found)) == 150


def test_a_package_that_is_missing_is_named(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "NEEDED", ("no_such_package",))
    with pytest.raises(InputError, match="export needs no_such_package, which is not installed; run `pip install"):
        export(experiment / "model", onnx=tmp_path / "model.onnx")
