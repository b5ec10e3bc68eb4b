"""The model card: Markdown that a reader and Hugging Face understand. It says no more than `model.json` knows."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from triptych.analysis.expected_precision import FEW_IMAGES, FEW_OF_A_CLASS
from triptych.data.dataset import Split
from triptych.evaluation.model_file import CARD, DECODER, DESCRIPTION, SCRIPT, normalisations, weights_files
from triptych.results.run_names import run_in_words, run_name, seed_and_fold, seeds_in_words
from triptych.results.schema import EVERY_EPOCH


def card_of(
    content: Mapping[str, Any],
    arm: Mapping[str, Any],
    dataset: Mapping[str, Any],
    pretraining: Mapping[str, Any],
    splits: Mapping[str, Split],
    phases: Sequence[Mapping[str, Any]],
) -> str:
    """Return the card.

    Args:
        content: of `model.json`.
        arm: as the configuration resolves it.
        dataset: the section of the configuration.
        pretraining: the section `weights`.
        splits: by name; only their labels are read.
        phases: of the training, from the metadata of the weights.
    """
    tested, members = content["tested"], content.get("members", [])
    network = plain(content["architecture"])
    what = f"An ensemble of {len(members)} {network} networks" if members else f"A {network}"
    lines = [
        *_front_matter(content),
        f"# {plain(content['name'])}",
        "",
        f"{what} that classifies images as one of {len(content['classes'])} classes. "
        + (
            f"Test accuracy: {_interval(tested['accuracy'], tested)} on {tested['images']:,} images. "
            if tested["images"]
            else "Its accuracy on images that it was not chosen by is not known: there were no test images. "
        )
        + "Triptych "
        f"{content['versions']['triptych']} trained {'them, and chose their arm' if members else 'it, and chose it'} "
        f"among the arms of the experiment {plain(content['experiment'])} on "
        f"{'out-of-fold' if has_folds(content) else 'validation'} images.",
        "",
        "## Use",
        "",
        "```console",
        "python predict.py photo.jpg another.png",
        "python -m triptych predict . photo.jpg --csv predictions.csv",
        "```",
        "",
        f"`{SCRIPT}` needs torch, torchvision, numpy, pillow and safetensors. The second command needs Triptych. It "
        "checks that the files below belong together, and gives the experiment's own predictions.",
        "",
        *_table(
            ["file", "content"],
            [
                [", ".join(f"`{file}`" for file in weights_files(members or None)), "weights"],
                [f"`{DESCRIPTION}`", "classes, network, preprocessing, versions, digests"],
                [f"`{SCRIPT}`, `{DECODER}`", "prediction without Triptych"],
                [f"`{CARD}`", "this card"],
            ],
        ),
        *_data(content, dataset, splits),
        *_recipe(content, arm, pretraining, phases),
        *_ensemble(members),
        *_preprocessing(content),
        *_results(tested, "ensemble" if members else "network"),
        *_certainty(content),
        *_limits(content),
    ]
    return "\n".join(lines) + "\n"


def has_folds(content: Mapping[str, Any]) -> bool:
    """Whether the training images of a model were dealt to folds."""
    runs = content.get("members") or [run_name(content["seed"], content.get("fold"))]
    return seed_and_fold(runs[0])[1] is not None


def network_in_words(content: Mapping[str, Any]) -> str:
    """Return which run's network a model is, or of which runs an ensemble has them."""
    members = content.get("members")
    if members is None:
        return run_in_words(run_name(content["seed"], content.get("fold")))
    return f"an ensemble of {seeds_in_words(members)}"


def plain(text: str) -> str:
    """Return a name of the user's as text of Markdown: on one line, without a mark that would be read."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", html.escape(shown, quote=False))


def _front_matter(content: Mapping[str, Any]) -> list[str]:
    """The metadata that Hugging Face reads. A text in JSON is one in YAML."""
    dataset = {"name": content["experiment"], "type": "image-classification", "split": "test"}
    task = {"type": "image-classification", "name": "Image classification"}
    results = []
    if content["tested"]["images"] and not content["tested"]["leaked_refuses"]:
        metric = {"type": "accuracy", "name": "Test accuracy", "value": round(content["tested"]["accuracy"] / 100, 6)}
        results.append({"task": task, "dataset": dataset, "metrics": [metric]})
    result = [{"name": content["name"], "results": results}]
    matter = {
        "library_name": "triptych",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "pytorch", content["library"], content["architecture"]],
        "metrics": ["accuracy"],
        "model-index": result,
    }
    return ["---", *(f"{key}: {json.dumps(value)}" for key, value in matter.items()), "---", ""]


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(map(str, line))} |" for line in lines] + [""]


def _over(tested: Mapping[str, Any]) -> str:
    """Over what the intervals of the test results are: images, or groups of images that were drawn together."""
    if "groups" not in tested:
        return "images (Wilson)"
    return f"the {len({group for *_, group in tested['groups']}):,} groups of these images"


def _interval(value: float | None, entry: Mapping[str, Any]) -> str:
    """A percentage and its interval."""
    return "-" if value is None else f"{value:.1f} % ({entry['low']:.1f} to {entry['high']:.1f})"


def _data(content: Mapping[str, Any], dataset: Mapping[str, Any], splits: Mapping[str, Split]) -> list[str]:
    counts = {name: numpy.bincount(split.labels, minlength=len(split.classes)) for name, split in splits.items()}
    rows = [
        [plain(name), *(f"{of_split[number]:,}" for of_split in counts.values())]
        for number, name in enumerate(content["classes"])
    ]
    rows.append(["all", *(f"{of_split.sum():,}" for of_split in counts.values())])
    own = {"folder": "image files in class folders", "table": "image files named by a table"}
    source = own.get(dataset["source"], f"the data set {plain(dataset['source'])}")
    return ["## Data", "", f"Images: {source}.", "", *_table(["class", *counts], rows)]


def _recipe(
    content: Mapping[str, Any],
    arm: Mapping[str, Any],
    pretraining: Mapping[str, Any],
    phases: Sequence[Mapping[str, Any]],
) -> list[str]:
    training = arm["training"]
    rows = [
        ["arm, run", f"{plain(content['arm'])}, {network_in_words(content)}"],
        ["network", f"{plain(content['architecture'])} ({content['library']}), input {content['input_size']} px"],
        ["starts from", _pretrained(pretraining) if arm["weights"] == "pretrained" else "random weights"],
        ["trains", "; ".join(f"{phase['trainable']}, BatchNorm {phase['batchnorm']}" for phase in phases)],
        *([key.replace("_", " "), value] for key, value in _in_effect(training, arm["trunk"] is not None)),
    ]
    return ["## Recipe", "", *_table(["key", "value"], rows)]


def _pretrained(pretraining: Mapping[str, Any]) -> str:
    """The pretrained weights by their source."""
    if pretraining["source"] == "letters":
        epochs = "an epoch" if pretraining["epochs"] == 1 else f"{pretraining['epochs']} epochs"
        return f"weights pretrained on {pretraining['train_images']:,} rendered letters for {epochs}"
    if pretraining["sha256"] is None:
        return "torchvision’s weights, pretrained on ImageNet-1k"
    return f"the pretrained weights whose file has the SHA-256 {pretraining['sha256']}"


def _in_effect(training: Mapping[str, Any], cached: bool) -> list[tuple[str, Any]]:
    """The keys of the recipe with their values, those left out that have no effect.

    Args:
        cached: whether the arm trains on cached features; the key that asks for them has no effect on others.
    """
    known = {**training, "train_images": "all" if training["train_images"] is None else training["train_images"]}
    known |= {"cache_features": known.get("cache_features") if cached else None}
    return [(key, value) for key, value in sorted(known.items()) if value is not None]


def _ensemble(members: Sequence[str]) -> list[str]:
    """How several networks give one answer, and what that costs; nothing about a single network."""
    if not members:
        return []
    named = "; ".join(map(run_in_words, members))
    parts = (
        "Each was trained on the images that its fold does not hold out, so every training image is known to some."
        if any(seed_and_fold(run)[1] is not None for run in members)
        else "They differ in their seed alone."
    )
    return [
        "## Ensemble",
        "",
        f"Members: {named}. {parts}",
        "",
        "The probability of a class is the mean of the members' probabilities (each a softmax). A prediction takes "
        f"{len(members)} times the time of one network, and {len(members)} times the memory for weights.",
        "",
    ]


def _preprocessing(content: Mapping[str, Any]) -> list[str]:
    store, size = content["store"], content["input_size"]
    scales = normalisations(content)
    scale = f"less {scales[0]['mean']}, divided by {scales[0]['std']}"
    if any(one != scales[0] for one in scales):
        scale = (
            f"less a mean, divided by a standard deviation: those of each member's training images (`{DESCRIPTION}`)"
        )
    fit = {
        "crop": "its central square is resized",
        "squash": "it is resized without keeping its aspect",
        "pad": "it is resized into a square of the background colour",
    }[store["fit"]]
    steps = [
        f"The file is decoded (`{DECODER}`): first frame, upright, RGB, 8 bits, transparency on {store['background']}.",
        f"With Pillow's bilinear filter {fit} to {store['size']} x {store['size']} px.",
        *["The centre is cut out: 7/8 of a side, but at least the input size."] * store["crop"],
        f"Where that is not {size} x {size} px, it is resized ({content['interpolation']}).",
        f"Divided by 255, {scale}.",
    ]
    return ["## Preprocessing", "", *(f"{number}. {step}" for number, step in enumerate(steps, 1)), ""]


def _results(tested: Mapping[str, Any], what: str) -> list[str]:
    if not tested["images"]:
        return ["## Results", "", "There were no test images. `python -m triptych evaluate . FOLDER` measures it.", ""]
    rows = [
        [
            plain(one["class"]),
            f"{one['images']:,}",
            _interval(one["recall"], one),
            "-" if one["precision"] is None else f"{one['precision']:.1f} %",
        ]
        for one in tested["classes"]
    ]
    opened = "after every epoch of the training" if tested["mode"] == EVERY_EPOCH else "after the decision"
    return [
        "## Results",
        "",
        f"On {tested['images']:,} test images, which were evaluated {opened}: accuracy "
        f"{_interval(tested['accuracy'], tested)}. In parentheses: {100 * tested['confidence']:g} % confidence "
        f"interval over {_over(tested)}. It is about this {what}; another seed may give another accuracy.",
        "",
        *_table(["class", "test images", "recall", "precision"], rows),
    ]


def _certainty(content: Mapping[str, Any]) -> list[str]:
    tested, images = content["tested"], content["calibration_images"]
    lines = ["## Certainty", ""]
    errors = tested.get("calibration_error", {})
    if content["temperature"] is None:
        reason = "there were too few validation images, or no mistake among them"
        if has_folds(content) and "members" in content:
            reason = "an image that a fold holds out is in the training of other members"
        lines.append(f"The probabilities are not calibrated: {reason}.")
        return [*lines, *_errors(errors, tested), ""]
    lines.append(
        f"Calibrated probabilities divide the logits by the temperature {content['temperature']:g}, fitted on "
        f"{images:,} {'held-out' if has_folds(content) else 'validation'} images."
    )
    lines += _errors(errors, tested)
    if content["unsure_below"] is None:
        return [*lines, "No threshold could be given below which a prediction is unsure.", ""]
    unsure, right = tested["unsure"], tested["unsure_correct"]
    sure = tested["images"] - unsure
    lines.append(
        f"A prediction is unsure below {content['unsure_below']:g}: of the "
        f"{'held-out' if has_folds(content) else 'validation'} images above it at most 5 % were wrong, and at most "
        "half as large a share as of all."
    )
    if sure:
        lines.append(f"Of {sure:,} test images above it {100 * (tested['correct'] - right) / sure:.1f} % were right.")
    if unsure:
        lines.append(f"Of {unsure:,} below it {100 * right / unsure:.1f} % were right.")
    return [*lines, ""]


def _errors(errors: Mapping[str, Mapping[str, float]], tested: Mapping[str, Any]) -> list[str]:
    """The expected calibration errors on test images."""
    if not errors:
        return []
    each = ", ".join(
        f"{entry['corrected']:.1f} % of the {name} probabilities ({entry['low']:.1f} to {entry['high']:.1f})"
        for name, entry in errors.items()
    )
    return [
        f"Expected calibration error on the test images, corrected for what chance adds, with its "
        f"{100 * tested['confidence']:g} % confidence interval{' over images' if 'groups' in tested else ''}: {each}."
    ]


def _limits(content: Mapping[str, Any]) -> list[str]:
    tested = content["tested"]
    few = (
        [plain(one["class"]) for one in tested["classes"] if one["images"] < FEW_OF_A_CLASS] if tested["images"] else []
    )
    lines = [
        "Every image is given one of the classes above, also one that shows none of them.",
        *["The test images come from the same source as the training images."] * (tested["images"] > 0),
        *[
            f"{tested['leaked']:,} of {tested['images']:,} test images have a counterpart in another split (the same "
            "picture or one of its group), so the accuracy may be too high."
        ]
        * (tested["leaked"] > 0),
        "Images of another camera, site or time may be classified worse: `python -m triptych evaluate . FOLDER` "
        "measures that on labelled ones.",
        *["The test images were seen after every epoch."] * (tested["mode"] == EVERY_EPOCH),
        *[f"There are only {tested['images']} test images."] * (0 < tested["images"] < FEW_IMAGES),
        *[f"Fewer than {FEW_OF_A_CLASS} test images: {', '.join(few)}."] * bool(few),
        f"On another kind of device or with other versions, probabilities agree to about 1e-4 (computed on "
        f"{plain(content['device_name'] or content['device'])} in {content['precision']} with "
        f"{content['num_threads']} thread{'s' * (content['num_threads'] > 1)}; torch {content['versions']['torch']}).",
    ]
    return ["## Limits", "", *(f"- {line}" for line in lines)]
