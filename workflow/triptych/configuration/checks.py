"""What no single key of a configuration shows: contradictions between keys, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from triptych.configuration.architecture_words import wrong_size
from triptych.configuration.arm import Arm
from triptych.configuration.backbones.registry import ARCHITECTURES
from triptych.configuration.claims import NONE, part_of
from triptych.configuration.effective import resolved_arm
from triptych.configuration.experiment import Configuration, Experiment
from triptych.configuration.model import WITH_AUXILIARY_HEADS, ReferenceModel
from triptych.configuration.weights import TorchvisionWeights


def contradictions(configuration: Configuration) -> Iterator[str]:
    """What no single key shows: one message for each contradiction."""
    yield from _same_folders("experiments", configuration.experiments)
    for name, experiment in configuration.experiments.items():
        key = f"experiments.{name}"
        yield from _same_folders(f"{key}.arms", experiment.arms)
        yield from experiment.dataset.contradictions(f"{key}.dataset")
        yield from _one_file_for_several_networks(key, experiment)
        yield from _impossible_references(key, experiment.reference_models)
        yield from _claims_without_their_arms(key, experiment)
        labels: dict[str, str] = {}
        for arm_name, arm in experiment.arms.items():
            yield from _arm_contradictions(key, experiment, arm_name, arm)
            label = arm.label or arm_name
            other = labels.setdefault(label, arm_name)
            if other != arm_name:
                yield f"{key}.arms.{arm_name}.label: {label!r} is the label of {other} too; give each arm its own"
        if all(arm.role == "control" for arm in experiment.arms.values()):
            yield f"{key}.arms: every arm is a control; give at least one arm with the role arm"


def _claims_without_their_arms(key: str, experiment: Experiment) -> Iterator[str]:
    """The claims are about arms by name: they must be there, train as their wing requires, and be compared."""
    if experiment.claims == NONE:
        return
    for name, required in part_of(experiment.claims, "requirements").ARMS.items():
        arm = experiment.arms.get(name)
        needed = {**required, "role": "arm"}
        words = ", ".join(f"{field}: {value}" for field, value in needed.items())
        if arm is None:
            yield f"{key}.claims: {experiment.claims!r} needs an arm called {name} ({words}); add it, or give none"
        elif different := [field for field, value in needed.items() if getattr(arm, field) != value]:
            yield (
                f"{key}.arms.{name}.{different[0]}: {getattr(arm, different[0])!r} is not allowed with {key}.claims: "
                f"{experiment.claims}; give {needed[different[0]]}, or none for the claims"
            )


def _same_folders(key: str, names: Mapping[str, Any]) -> Iterator[str]:
    """Names that are one folder where the file system does not tell capitals from small letters."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(name.lower(), name)
        if other != name:
            yield f"{key}: the names {other} and {name} differ in capitals only; give names that differ otherwise"


def _one_file_for_several_networks(key: str, experiment: Experiment) -> Iterator[str]:
    weights = experiment.weights
    if not isinstance(weights, TorchvisionWeights):
        return
    arms = [resolved_arm(experiment, name, arm) for name, arm in experiment.arms.items() if arm.weights == "pretrained"]
    architectures = list(dict.fromkeys(arm["model"]["architecture"] for arm in arms))
    given = [name for name in ("urls", "sha256", "path") if getattr(weights, name) is not None]
    if given and len(architectures) > 1:
        yield (
            f"{key}.weights.{given[0]}: one file cannot hold the weights of {' and '.join(architectures)}; give null, "
            f"or pretrained weights to arms of one architecture only"
        )


def _impossible_references(key: str, models: list[ReferenceModel]) -> Iterator[str]:
    for position, model in enumerate(models):
        place = f"{key}.reference_models.{position}"
        if wrong := wrong_size(model.architecture, model.input_size):
            yield f"{place}.input_size: {model.input_size} is not allowed; {wrong}"
        if model.auxiliary and not ARCHITECTURES[model.architecture].auxiliary:
            yield (
                f"{place}.auxiliary: true is not allowed, since {model.architecture} has no auxiliary heads; "
                f"{' and '.join(WITH_AUXILIARY_HEADS)} have some"
            )
        if model in models[:position]:
            yield f"{place}: the same network as reference_models.{models.index(model)}; give each network once"


def _arm_contradictions(key: str, experiment: Experiment, name: str, arm: Arm) -> Iterator[str]:
    settings = resolved_arm(experiment, name, arm)

    def place(section: str, field: str) -> str:
        own = field in getattr(arm, section).model_fields_set
        return f"{key}.arms.{name}.{section}.{field}" if own else f"{key}.{section}.{field}"

    architecture, input_size = settings["model"]["architecture"], settings["model"]["input_size"]
    if wrong := wrong_size(architecture, input_size):
        yield f"{place('model', 'input_size')}: {input_size} is not allowed; {wrong}"
    train_images = settings["training"]["train_images"]
    available = experiment.dataset.training_images()
    if train_images and available is not None and train_images > available:
        yield (
            f"{place('training', 'train_images')}: {train_images} is not allowed; give at most {available}, what "
            f"{key}.dataset.train_per_class makes, or null for all"
        )
    if not experiment.dataset.has_validation():
        training = settings["training"]
        decided = [("patience", training["patience"])] if training["patience"] else []
        decided += [("keep", "'best'")] if training["keep"] == "best" else []
        for field, value in decided[:1]:
            yield (
                f"{place('training', field)}: {value} is not allowed, since it is decided on validation images and "
                f"{key}.dataset.validation_per_class is 0; give at least 1 there"
            )
    if arm.weights == "pretrained":
        yield from _impossible_weights(key, experiment, name, place("model", "input_size"), settings["model"])


def _impossible_weights(
    key: str, experiment: Experiment, name: str, place: str, model: Mapping[str, Any]
) -> Iterator[str]:
    """Pretrained weights that there are none of, or that do not fit the network of an arm.

    Args:
        name: the arm; `place`: the key that decides its input size; `model`: its network in effect.
    """
    architecture, input_size = model["architecture"], model["input_size"]
    if experiment.weights.source == "none":
        yield (
            f"{key}.arms.{name}.weights: 'pretrained' is not allowed, since {key}.weights.source is none; give "
            f"random, or a source of pretrained weights there (letters, torchvision)"
        )
        return
    facts = ARCHITECTURES[architecture]
    if experiment.weights.source == "torchvision" and facts.weights is None:
        yield (
            f"{key}.arms.{name}.weights: 'pretrained' is not allowed, since {architecture} has no published weights; "
            f"give random, or another source of pretrained weights to {key}.weights"
        )
        return
    own = facts.size_of_weights
    if experiment.weights.source == "letters":
        pretrained_at = experiment.model.input_size
        if wrong := wrong_size(architecture, pretrained_at):
            yield (
                f"{key}.model.input_size: {pretrained_at} is not allowed; the weights of {name} are pretrained at "
                f"this size, and {wrong}"
            )
            return
        own = pretrained_at if facts.size_dependent else None
    if own not in (None, input_size) and not wrong_size(architecture, input_size):
        yield (
            f"{place}: {input_size} is not allowed with pretrained weights; those of {architecture} are for {own} px "
            f"and fit no other size; give {own}, or random weights to {name}"
        )
