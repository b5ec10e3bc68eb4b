"""Contradictions between keys of a configuration, which no single key shows."""

from collections.abc import Iterator, Mapping
from typing import Any

from triptych.configuration.architecture_words import wrong_size
from triptych.configuration.arm import Arm
from triptych.configuration.backbones.registry import ARCHITECTURES
from triptych.configuration.claims import NONE, part_of
from triptych.configuration.effective import resolved_arm
from triptych.configuration.experiment import Configuration, Experiment
from triptych.configuration.image_files import ImageFiles
from triptych.configuration.model import WITH_AUXILIARY_HEADS, ReferenceModel
from triptych.configuration.weights import TorchvisionWeights


def contradictions(configuration: Configuration) -> Iterator[str]:
    """Yield a message for each contradiction between keys; several arms may share one."""
    yield from _same_folders("experiments", configuration.experiments)
    for name, experiment in configuration.experiments.items():
        key = f"experiments.{name}"
        yield from _same_folders(f"{key}.arms", experiment.arms)
        yield from experiment.dataset.contradictions(f"{key}.dataset")
        yield from _nothing_to_decide_on(key, experiment)
        yield from _not_with_folds(key, experiment)
        yield from _no_ensemble(key, experiment)
        yield from _one_file_for_several_networks(key, experiment)
        yield from _impossible_references(key, experiment.reference_models)
        yield from _claims_without_their_arms(key, experiment)
        yield from _no_pretrained_weights(key, experiment)
        labels: dict[str, str] = {}
        for arm_name, arm in experiment.arms.items():
            yield from _arm_contradictions(key, experiment, arm_name, arm)
            label = arm.label or arm_name
            other = labels.setdefault(label, arm_name)
            if other != arm_name:
                yield f"{key}.arms.{arm_name}.label: {label!r} is the label of {other}, too; give each arm its own"
        if all(arm.role == "control" for arm in experiment.arms.values()):
            yield f"{key}.arms: every arm is a control; give at least one arm with the role arm"


def _claims_without_their_arms(key: str, experiment: Experiment) -> Iterator[str]:
    """The claims are about test curves, and about arms by name, which must train as their wing requires."""
    if experiment.claims == NONE:
        return
    requirements = part_of(experiment.claims, "requirements")
    if experiment.test != requirements.TEST:
        yield (
            f"{key}.test: {experiment.test} is not allowed with {key}.claims: {experiment.claims}; give "
            f"{requirements.TEST}, or none for the claims"
        )
    for name, required in requirements.ARMS.items():
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


def _nothing_to_decide_on(key: str, experiment: Experiment) -> Iterator[str]:
    """An arm is chosen on validation images before the test images are evaluated."""
    if experiment.test == "after_decision" and not experiment.dataset.has_validation():
        yield (
            f"{key}.dataset: there are no validation images to choose an arm on; give {key}.dataset."
            f"{experiment.dataset.enough_validation()}, or {key}.test: every_epoch to evaluate test images after every "
            "epoch"
        )


def _not_with_folds(key: str, experiment: Experiment) -> Iterator[str]:
    """Folds decide on the images that each training leaves out, and test images wait for the decision."""
    dataset = experiment.dataset
    if not isinstance(dataset, ImageFiles) or dataset.folds is None:
        return
    if experiment.test != "after_decision":
        yield (
            f"{key}.test: {experiment.test} is not allowed with {key}.dataset.folds; give after_decision, or null for "
            "the folds"
        )
    for name, arm in experiment.arms.items():
        if images := resolved_arm(experiment, name, arm)["training"]["train_images"]:
            own = "train_images" in arm.training.model_fields_set
            where = f"{key}.{f'arms.{name}.' * own}training.train_images"
            yield (
                f"{where}: {images} is not allowed with {key}.dataset.folds; give null: a fold trains on all images "
                "that it does not hold out"
            )


def _no_ensemble(key: str, experiment: Experiment) -> Iterator[str]:
    """An ensemble of a single network."""
    dataset = experiment.dataset
    with_folds = isinstance(dataset, ImageFiles) and dataset.folds is not None
    if experiment.ensemble and len(experiment.seeds) == 1 and not with_folds:
        yield (
            f"{key}.ensemble: true is not allowed with one seed, since an ensemble has two or more networks; give "
            f"{key}.seeds two or more, such as [0, 1, 2], or false"
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
        entry = f"{key}.reference_models.{position}"
        if wrong := wrong_size(model.architecture, model.input_size):
            yield f"{entry}.input_size: {model.input_size} is not allowed; {wrong}"
        if model.auxiliary and not ARCHITECTURES[model.architecture].auxiliary:
            yield (
                f"{entry}.auxiliary: true is not allowed, since {model.architecture} has no auxiliary heads; "
                f"{' and '.join(WITH_AUXILIARY_HEADS)} have some"
            )
        if model in models[:position]:
            yield f"{entry}: the same network as reference_models.{models.index(model)}; give each network once"


def _arm_contradictions(key: str, experiment: Experiment, name: str, arm: Arm) -> Iterator[str]:
    settings = resolved_arm(experiment, name, arm)

    def key_of(section: str, field: str) -> str:
        own = field in getattr(arm, section).model_fields_set
        return f"{key}.arms.{name}.{section}.{field}" if own else f"{key}.{section}.{field}"

    architecture, input_size = settings["model"]["architecture"], settings["model"]["input_size"]
    if wrong := wrong_size(architecture, input_size):
        yield f"{key_of('model', 'input_size')}: {input_size} is not allowed; {wrong}"
    train_images = settings["training"]["train_images"]
    available = experiment.dataset.training_images()
    if train_images and available is not None and train_images > available:
        yield (
            f"{key_of('training', 'train_images')}: {train_images} is not allowed; give at most {available}, as "
            f"{key}.dataset.train_per_class says, or null for all"
        )
    if not experiment.dataset.has_validation():
        training = settings["training"]
        decided = [("patience", training["patience"])] if training["patience"] else []
        decided += [("keep", "'best'")] if training["keep"] == "best" else []
        for field, value in decided[:1]:
            yield (
                f"{key_of('training', field)}: {value} needs validation images, and "
                f"{key}.dataset.{experiment.dataset.VALIDATION} is 0; give at least 2 there"
            )
    if arm.weights == "pretrained" and experiment.weights.source != "none":
        keys = {field: key_of("model", field) for field in ("architecture", "input_size")}
        yield from _impossible_weights(key, experiment, keys, settings["model"])


def _no_pretrained_weights(key: str, experiment: Experiment) -> Iterator[str]:
    """Pretrained arms, and no source of pretrained weights."""
    arms = [name for name, arm in experiment.arms.items() if arm.weights == "pretrained"]
    if arms and experiment.weights.source == "none":
        yield (
            f"{key}.weights.source: 'none' is not allowed with pretrained arms ({', '.join(arms)}); give letters or "
            "torchvision, or these arms weights: random"
        )


def _impossible_weights(
    key: str, experiment: Experiment, keys: Mapping[str, str], model: Mapping[str, Any]
) -> Iterator[str]:
    """Pretrained weights that are not published, or do not fit the network of an arm.

    Args:
        keys: those that decide the arm's `architecture` and `input_size`; `model`: its network in effect.
    """
    architecture, input_size = model["architecture"], model["input_size"]
    facts = ARCHITECTURES[architecture]
    if experiment.weights.source == "torchvision" and facts.weights is None:
        yield (
            f"{keys['architecture']}: {architecture} has no published weights; give another architecture, another "
            f"source to {key}.weights, or its arms weights: random"
        )
        return
    own = facts.size_of_weights
    if experiment.weights.source == "letters":
        pretrained_at = experiment.model.input_size
        if wrong := wrong_size(architecture, pretrained_at):
            if pretrained_at != input_size:  # else it is told as the arm's own size
                yield (
                    f"{key}.model.input_size: {pretrained_at} is not allowed; letters are of this size while "
                    f"{architecture} is pretrained, and {wrong}"
                )
            return
        own = pretrained_at if facts.size_dependent else None
    if own not in (None, input_size) and not wrong_size(architecture, input_size):
        yield (
            f"{keys['input_size']}: {input_size} is not allowed with pretrained weights; those of {architecture} are "
            f"for {own} px and fit no other size; give {own}, or the arm weights: random"
        )
