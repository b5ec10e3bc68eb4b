"""Load a model from its folder, and predict as the experiment's own evaluation does.

An image file is decoded and fitted to a square as `check_data` does it, and computed as in `open_test`: batches are
padded to the same size, so that an image's logits do not depend on what is beside it. With the same versions, kind of
device, processor and number of threads the logits are the same bits. The probabilities of an ensemble are the mean of
its members'.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy
import torch

from triptych.analysis.temperature import calibrated, of_members
from triptych.data.dataset import Split
from triptych.data.decoding import DecodingRule, Undecodable, decode, decoder_versions, fitted
from triptych.data.file_check import read_unchanged
from triptych.evaluation.model_file import model_folder, normalisations, read_description, versions, weights_files
from triptych.models.networks import load_network
from triptych.results.mistakes import DECIMALS, softmax
from triptych.storage.errors import InputError
from triptych.training.arithmetic import Arithmetic, check_precision, prepare
from triptych.training.batches import EvaluationTransform
from triptych.training.device import device_name, make_deterministic
from triptych.training.evaluate import evaluate
from triptych.training.failures import translate_torch_errors
from triptych.training.gpus import visible_gpus
from triptych.training.recipe import PLAIN, Device, EvaluationRecipe
from triptych.training.residency import Resident

Item = TypeVar("Item")

DEVICES = ("auto", "cpu", "cuda")
AGREEMENT = 1e-4
"""To which probabilities agree with other versions or devices."""


class Prediction(NamedTuple):
    """What a model says of one file.

    Attributes:
        file: as it was given.
        logits: float32 [classes], of an ensemble float64 (`of_members`); None where the file cannot be used.
        problem: why it cannot; "" where it can.
    """

    file: Path
    logits: numpy.ndarray | None
    problem: str = ""


class Answer(NamedTuple):
    """A prediction in words and numbers, as tables have it.

    Attributes:
        predicted: the class.
        probability: of it, as in `tables/predictions.csv`.
        calibrated: the same with the temperature; None where there is none.
        unsure: whether that is below the threshold; None where there is none.
    """

    predicted: str
    probability: float
    calibrated: float | None
    unsure: bool | None


@dataclass(frozen=True)
class Model:
    """One network, or the members of an ensemble, with everything that decides their predictions.

    Attributes:
        folder: of its files.
        about: the content of `model.json`.
        networks: on the device of `arithmetic`.
        arithmetic: how it is computed.
        notes: what differs here from where it was tested, sentences.
    """

    folder: Path
    about: dict[str, Any]
    networks: tuple[torch.nn.Module, ...]
    arithmetic: Arithmetic
    notes: tuple[str, ...]

    @property
    def classes(self) -> list[str]:
        return list(self.about["classes"])

    @cached_property
    def transforms(self) -> tuple[EvaluationTransform, ...]:
        """From stored images to the input of each network."""
        where, crop, size = self.arithmetic, self.about["store"]["crop"], self.about["input_size"]
        return tuple(
            EvaluationTransform(size, scale["mean"], scale["std"], where.device, where.memory_format, crop)
            for scale in normalisations(self.about)
        )

    def predict(self, files: Iterable[Path]) -> Iterator[Prediction]:
        """Yield a prediction for each file, in their order; of a file that cannot be used, why.

        Raises:
            InputError: memory is exhausted.
        """
        with ThreadPoolExecutor(self.about["num_threads"]) as threads:
            for part in in_batches(files, self.about["evaluation_batch_size"]):
                read = list(threads.map(self.stored, part))
                images = [one for one in read if not isinstance(one, str)]
                logits = iter(self.logits(numpy.stack(images)) if images else ())
                for file, one in zip(part, read, strict=True):
                    yield Prediction(file, None, one) if isinstance(one, str) else Prediction(file, next(logits))

    def stored(self, file: Path) -> numpy.ndarray | str:
        """Return a file's image as the experiment stores it, uint8 [S, S, 3]; or why it cannot be used."""
        store = self.about["store"]
        limits, background = store["value_range"], tuple(store["background"])
        rule = DecodingRule(
            background=background,
            largest_pixels=round(store["largest_megapixels"] * 1_000_000),
            value_range=limits and (limits[0], limits[1]),
        )
        try:
            content = read_unchanged(file)
            if content is None:
                return "changed while it was read"
            return fitted(decode(content, rule, store["size"]).image, store["size"], store["fit"], background)
        except FileNotFoundError:
            return "the file is missing"
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"
        except Undecodable as error:
            return error.problem

    def logits(self, images: numpy.ndarray) -> numpy.ndarray:
        """Return the logits of stored images, [N, classes]: float32, of an ensemble float64 (`of_members`).

        Args:
            images: uint8 [N, S, S, 3]; N above 0.

        Raises:
            InputError: memory is exhausted.
        """
        split = Split(images, numpy.zeros(len(images), numpy.int64), self.classes)
        batch_size, device = self.about["evaluation_batch_size"], self.arithmetic.device
        with translate_torch_errors(batch_size, 0, self.arithmetic, setting="training.evaluation_batch_size"):
            data = Resident(split, device, "mapped")
            found = [
                evaluate(network, data, transform, batch_size, self.arithmetic)[2].numpy()
                for network, transform in zip(self.networks, self.transforms, strict=True)
            ]
        return of_members(found)

    def answer(self, logits: numpy.ndarray) -> Answer:
        """Return what the logits [classes] of one image say."""
        temperature, threshold = self.about["temperature"], self.about["unsure_below"]
        probability = softmax(logits[None]).max(axis=1).round(DECIMALS)
        own = (
            None if temperature is None else float(calibrated(logits[None], temperature).max(axis=1).round(DECIMALS)[0])
        )
        unsure = None if own is None or threshold is None else own < threshold
        return Answer(self.classes[int(logits.argmax())], float(probability[0]), own, unsure)


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of `size`; the last one may be shorter."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def load_model(path: Path, device: str = "auto") -> Model:
    """Load a model, and check that its files are those that were written together.

    Args:
        path: the folder of the model, or of the experiment.
        device: `cpu`, `cuda`, or `auto`: the kind on which the model was tested, if it is there.

    Raises:
        InputError: a file is missing, foreign or changed, the device is not there, or the network cannot be built.
    """
    if device not in DEVICES:
        raise InputError(f"--device: {device!r} is not allowed; give one of {', '.join(DEVICES)}.")
    folder = model_folder(path)
    about = read_description(folder)
    networks = tuple(load_network(folder / file)[0] for file in weights_files(about.get("members")))
    arithmetic, notes = _prepared(about, device)
    for network in networks:
        network.to(arithmetic.device).to(memory_format=arithmetic.memory_format)
    return Model(folder, about, networks, arithmetic, (*notes, *differences(about, arithmetic)))


def _prepared(about: dict[str, Any], device: str) -> tuple[Arithmetic, list[str]]:
    """Configure this process to compute as the model was tested, as far as it can.

    Raises:
        InputError: the device is not there.
    """
    chosen: Device = "cuda" if device == "cuda" else "cpu"
    if device == "auto" and about["device"] == "cuda" and visible_gpus():
        chosen = "cuda"
    recipe = EvaluationRecipe(
        evaluation_batch_size=about["evaluation_batch_size"],
        num_threads=about["num_threads"],
        device=chosen,
        precision="float32",
        channels_last=about["channels_last"],
    )
    as_tested = replace(prepare(recipe, PLAIN), precision=about["precision"])
    try:
        check_precision(as_tested)
    except InputError:
        note = (
            f"It was tested in {about['precision']}, which cannot be computed here; float32 is used, and rounds less."
        )
        return replace(as_tested, precision="float32"), [note]
    make_deterministic(about["num_threads"], about["precision"] == "tf32")
    return as_tested, []


def differences(about: dict[str, Any], arithmetic: Arithmetic) -> list[str]:
    """Say what differs here from where the model was tested and may change the bits of its predictions."""
    here: dict[str, str | None] = versions(torch.__version__) | {
        "decoders": decoder_versions(),
        "device": arithmetic.device.type,
        "processor": device_name(arithmetic.device),
    }
    there = about["versions"] | {
        "decoders": about["store"]["decoder"],
        "device": about["device"],
        "processor": about["device_name"],
    }
    changed = [
        f"{name} {here[name]} (there {there[name]})"
        for name in here
        if name != "triptych" and there.get(name) not in (None, here[name])
    ]
    if not changed:
        return []
    agree = f"agree to about {AGREEMENT:g}"
    if about["precision"] != "float32":
        agree = f"differ, by more than in float32 since it was tested in {about['precision']}"
    return [
        f"Computed in other circumstances than where it was tested, so probabilities {agree}: {'; '.join(changed)}."
    ]
