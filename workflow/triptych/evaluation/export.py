"""Export a model to ONNX, with its preprocessing, and compare it with the original before it gets its name."""

import importlib
import json
import math
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy
import torch

from triptych.data.dataset import load_split
from triptych.evaluation.model_file import normalisations
from triptych.evaluation.model_folder import AGREEMENT, Model, in_batches, load_model
from triptych.evaluation.predict import images_of
from triptych.results.mistakes import softmax
from triptych.storage.errors import InputError
from triptych.storage.files import atomic_write, sha256

NEEDED = ("onnx", "onnxscript", "onnxruntime")
MOST_GIGABYTES = 2.0
"""Of an ONNX file: the limit of protobuf, less a little for the graph."""
TIE = 2e-4
"""Another class is allowed where the two most probable ones are as near as this."""
KEPT = ("name", "classes", "architecture", "input_size", "store", "temperature", "unsure_below", "tested", "versions")
"""Keys of `model.json` that the metadata of the exported file has as well."""


class WithPreprocessing(torch.nn.Module):
    """A model from stored images, uint8 [N, S, S, 3], to logits, probabilities and calibrated ones, [N, classes].

    It resizes by two products of matrices, which give the same as `EvaluationTransform` on every runtime. The logits of
    an ensemble are the logarithms of its probabilities.
    """

    weights: torch.Tensor | None
    means: torch.Tensor
    stds: torch.Tensor

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.networks, self.transform = torch.nn.ModuleList(model.networks), model.transforms[0]
        self.temperature = model.about["temperature"] or 1.0
        scales = normalisations(model.about)
        size = model.about["input_size"]
        sample = torch.zeros(1, model.about["store"]["size"], model.about["store"]["size"], 3, dtype=torch.uint8)
        side = self.transform.view(sample).shape[1]
        self.register_buffer("weights", None if side == size else resizing(side, size))
        for name, key in (("means", "mean"), ("stds", "std")):
            self.register_buffer(name, torch.tensor([one[key] for one in scales]).view(-1, 1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        pixels = self.transform.view(images).permute(0, 3, 1, 2).to(torch.float32)
        if self.weights is not None:
            pixels = self.weights @ pixels @ self.weights.T
        of_each = [
            network((pixels / 255 - mean) / std)
            for network, mean, std in zip(self.networks, self.means, self.stds, strict=True)
        ]
        logits = of_each[0]
        if len(of_each) > 1:  # as `of_members`
            logits = torch.stack([one.log_softmax(1) for one in of_each]).logsumexp(0) - math.log(len(of_each))
        return logits, logits.softmax(1), (logits / self.temperature).softmax(1)


def resizing(stored: int, size: int) -> torch.Tensor:
    """Return the matrix [size, stored] that resizes a column of pixels as `EvaluationTransform` does."""
    unit = torch.eye(stored)[None, None]
    resized = torch.nn.functional.interpolate(
        unit, (size, stored), mode="bilinear", align_corners=False, antialias=size < stored
    )
    return resized[0, 0]


@dataclass
class Agreement:
    """How the exported network compares with the original.

    Attributes:
        images: how many were compared.
        largest: difference of a probability.
        other_class: images with another class, ties left out.
    """

    images: int = 0
    largest: float = 0.0
    other_class: int = 0

    def add(self, expected: numpy.ndarray, found: numpy.ndarray) -> None:
        """Compare probabilities, [N, classes] each."""
        self.images += len(expected)
        difference = float(numpy.abs(expected - found).max())
        self.largest = numpy.inf if numpy.isnan(difference) else max(self.largest, difference)
        top = numpy.sort(expected, axis=1)[:, -2:]
        tie = top[:, 1] - top[:, 0] <= TIE
        self.other_class += int(((expected.argmax(1) != found.argmax(1)) & ~tie).sum())

    @property
    def is_close(self) -> bool:
        return self.largest <= AGREEMENT and not self.other_class


def export(model: Path, *, onnx: Path, images: list[Path] | None = None) -> None:
    """Write a model as an ONNX file, if ONNX Runtime then says the same about every image as the model does.

    Its input `images` is uint8 [N, S, S, 3]: decoded files, fitted to a square of S pixels a side, as the metadata
    `preprocessing` says and `decode.py` of the model's folder does. All else is inside. Its outputs are `logits`,
    `probabilities` and `calibrated`, float32 [N, classes]. The names of the classes are in the metadata `classes`.

    The images are the experiment's test images, where the model is in its folder (data/test.safetensors), and those
    that are given. The export fails if a probability differs by more than 1e-4, or the class where the two most
    probable ones are more than 2e-4 apart.

    Args:
        model: the folder of the model, such as results/EXPERIMENT/model. Nothing in it is changed.
        onnx: the file to write.
        images: files or folders to compare on.

    Raises:
        InputError: a package is missing, the model's files do not belong together, the network cannot be exported,
            there is no image to compare on, or the two differ.
    """
    for package in NEEDED:
        try:
            importlib.import_module(package)
        except ImportError:
            raise InputError(
                f"export needs {package}, which is not installed; run `pip install -e '.[onnx]'` in the clone."
            ) from None
    loaded = load_model(model, "cpu")
    loaded = replace(loaded, arithmetic=replace(loaded.arithmetic, precision="float32"))
    found = stored_images(loaded, images or [])
    first = next(found, None)
    if first is None:
        raise InputError(
            f"{loaded.folder}: the experiment's test images are not beside it, so there is nothing to compare on; give "
            "images with --images FOLDER."
        )
    with atomic_write(onnx) as temporary:
        write_onnx(loaded, temporary)
        agreement = compare(loaded, temporary, first, found)
        if not agreement.is_close:
            raise InputError(
                f"{onnx}: not written. On {agreement.images:,} images ONNX Runtime differs from the model: "
                f"{agreement.other_class:,} have another class, and a probability differs by {agreement.largest:.1e} "
                f"({AGREEMENT:g} is allowed)."
            )
    print(
        f"{onnx}: on {agreement.images:,} images ONNX Runtime gives the model's classes; probabilities differ by at "
        f"most {agreement.largest:.1e}",
        flush=True,
    )
    if loaded.about["precision"] != "float32":
        print(f"The file computes in float32; the experiment computed in {loaded.about['precision']}.", flush=True)


def stored_images(model: Model, paths: Iterable[Path]) -> Iterator[numpy.ndarray]:
    """Yield batches of images as the experiment stores them, uint8 [n, S, S, 3]: its test images, and given ones.

    Raises:
        InputError: a given file cannot be used.
    """
    size = model.about["evaluation_batch_size"]
    test = model.folder.resolve().parent / "data" / "test.safetensors"
    if test.is_file() and sha256(test) == model.about["digests"]["data"]["test"]:
        split = load_split(test)
        yield from (numpy.array(split.images[start : start + size]) for start in range(0, len(split), size))
    for part in in_batches(images_of(paths), size):
        yield numpy.stack([_usable(model, file) for _, file in part])


def _usable(model: Model, file: Path) -> numpy.ndarray:
    image = model.stored(file)
    if isinstance(image, str):
        raise InputError(f"{file}: {image}.")
    return image


def write_onnx(model: Model, path: Path) -> None:
    """Write the network with its preprocessing.

    Raises:
        InputError: torch cannot export it, or it is too large.
    """
    import onnx

    size = model.about["store"]["size"]
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    module = WithPreprocessing(model).eval()
    gigabytes = sum(tensor.nbytes for tensor in module.state_dict().values()) / 1e9
    if gigabytes > MOST_GIGABYTES:
        raise InputError(
            f"{path.name}: the weights have {gigabytes:.1f} GB, and an ONNX file holds at most {MOST_GIGABYTES:g}; "
            "export a smaller network, or one without `ensemble`."
        )
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter's own libraries
            program = torch.onnx.export(
                module,
                (example,),
                input_names=["images"],
                output_names=["logits", "probabilities", "calibrated"],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter raises nearly anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{model.about['architecture']}: torch cannot export it to ONNX ({reason:.200}).") from error
    assert program is not None
    proto = program.model_proto
    about = {key: model.about[key] for key in KEPT}
    onnx.helper.set_model_props(proto, _properties(about, model))
    onnx.save(proto, path)


def _properties(about: dict[str, Any], model: Model) -> dict[str, str]:
    """The metadata of the file: texts."""
    store = about["store"]
    steps = (
        "Decode the file: first frame, upright by its EXIF orientation, RGB, 8 bits a channel, transparent pixels on "
        f"{store['background']}. Then {store['fit']} to {store['size']} x {store['size']} pixels with Pillow's "
        "bilinear filter: decode() and fitted() of decode.py beside the model do both. Give uint8 [N, S, S, 3]; "
        "cropping, resizing and normalisation are inside."
    )
    return {
        "classes": json.dumps(model.classes, ensure_ascii=False),
        "preprocessing": steps,
        "triptych": json.dumps(about, sort_keys=True),
    }


def compare(model: Model, path: Path, first: numpy.ndarray, others: Iterable[numpy.ndarray]) -> Agreement:
    """Compare ONNX Runtime with the model on batches of stored images."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = model.about["num_threads"]
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    agreement = Agreement()
    for part in (images for group in ([first], others) for images in group):
        (found,) = session.run(["probabilities"], {"images": part})
        agreement.add(softmax(model.logits(part)), found)
    return agreement
