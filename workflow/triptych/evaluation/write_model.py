"""Describe the chosen run's weights, so that they can be used without the experiment: the classifier to take away."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.analysis.calibration import ERROR_DECIMALS, calibration_of, measure
from triptych.analysis.classes import confusion_counts, recall_and_precision, recall_intervals
from triptych.analysis.groups import read_groups
from triptych.analysis.intervals import accuracy_interval
from triptych.analysis.options import parsed_json, parsed_mode
from triptych.analysis.runs import Truth, read_logits, read_truth
from triptych.analysis.temperature import Calibration, calibrated, of_members
from triptych.analysis.variance_parts import Sampling
from triptych.configuration.backbones.names import library_and_name
from triptych.data import decoding
from triptych.data.cache import StoredRule
from triptych.data.dataset import Split, load_split
from triptych.data.folds import load_folds, of_fold
from triptych.data.halves import decision_half
from triptych.data.source import parsed
from triptych.evaluation.model_card import card_of, network_in_words
from triptych.evaluation.model_file import OF_WEIGHTS, sealed, versions, weights_files
from triptych.results.decision import read_decision
from triptych.results.leaks import leaked_splits
from triptych.results.mistakes import DECIMALS
from triptych.results.run_names import run_name
from triptych.results.schema import LEAKS
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.files import atomic_write, read_json, sha256, write_json, write_text
from triptych.storage.tensors import load_metadata

ALONE = Path(__file__).with_name("predict_alone.py")
"""The script that is copied beside the weights."""
INTERPOLATION = "bilinear, with antialiasing where images shrink"
"""Of `triptych.training.batches.EvaluationTransform`."""
OF_RECIPE = ("precision", "channels_last", "evaluation_batch_size", "num_threads")
SHARE_DECIMALS = 4
"""Of a percentage."""
SPLITS = ("train", "validation", "test")


def write_model(  # noqa: PLR0913
    *,
    experiment: str,
    arms: str,
    dataset: str,
    comparison: str,
    pretraining: str,
    mode: str,
    decision: Path,
    weights: list[Path],
    cost: Path,
    predictions: list[Path],
    tested: list[Path] | None = None,
    folds: Path | None = None,
    train_data: Path,
    validation_data: Path,
    test_data: Path,
    index: Path,
    leaks: Path,
    description: Path,
    card: Path,
    script: Path,
    decoder: Path,
) -> None:
    """Write what is needed to use the chosen run's weights: their description, a model card, and a script.

    Several files of weights are an ensemble: its probabilities are the mean of its members', and so are those that it
    is calibrated and tested by.

    Args:
        experiment: its name.
        arms: JSON, the arms of `triptych.configuration.effective.resolved_arms`.
        dataset: JSON, the section `dataset` of the configuration.
        comparison: JSON, with `confidence`.
        pretraining: JSON, the section `weights` of the configuration; `urls` and `path` may be null, and
            `sha256` is null for the published weights.
        mode: when test images were evaluated: after_decision or every_epoch; no_test, if there are none.
        decision: by `decide`.
        weights: of the chosen run, by `copy_model`; or of each member of an ensemble, by `copy_member`.
        cost: the cost.json of the chosen run, which names the device.
        predictions: of the run, or of each member in the order of `weights`; the logits of validation images calibrate.
        tested: the files with logits of test images, in the same order; None if there are none.
        folds: of the training images; the run's validation images are those that its fold holds out. An ensemble has
            none, since each image is in the training of some member, and is not calibrated.
        train_data, validation_data, test_data: images and labels. Validation may be empty.
        index: the table of images and their splits, for the groups of the test images.
        leaks: the table of images that have a counterpart in another split.
        description: model.json: classes, network, how an image becomes the network's input, how it is computed,
            temperature and threshold, the test results, versions, digests (`triptych.evaluation.model_file`).
        card: the model card, Markdown with the front matter of Hugging Face.
        script: predict.py, which needs neither Triptych nor Snakemake.
        decoder: decode.py, a copy of `triptych.data.decoding`, for the script.

    Raises:
        InputError: the decision was changed by hand or chose no run, or a file is missing or does not fit another one.
    """
    # typer gives an empty list for an option that is left out
    tested = tested or None
    chosen = read_decision(decision)["chosen"]
    if chosen is None:
        raise InputError(f"{decision}: no run was chosen, so there is no model.")
    (arm,) = (one for one in parsed_json("arms", arms) if one["name"] == chosen["arm"])
    abouts = [load_metadata(path) for path in weights]
    about, is_ensemble = abouts[0], len(weights) > 1
    if is_ensemble:
        check_members(weights, abouts)
    splits = {
        name: load_split(path) for name, path in zip(SPLITS, (train_data, validation_data, test_data), strict=True)
    }
    decides = None
    if folds is not None and not is_ensemble:
        held_out = load_folds(folds, len(splits["train"])).held_out(chosen["fold"])
        decides = decision_half(splits["train"].images, splits["train"].labels)[held_out]
        splits["train"], splits["validation"] = of_fold(splits["train"], held_out)
    calibration = calibration_of(predictions, splits["validation"], about["run"]["recipe"], decides)
    settings, confidence = parsed(dataset), float(parsed_json("comparison", comparison)["confidence"])
    content = {
        "name": f"{experiment}-{chosen['arm']}",
        "experiment": experiment,
        "arm": chosen["arm"],
        "label": arm["label"],
        **(named(abouts) if is_ensemble else run_of(chosen)),
        "library": library_and_name(about["architecture"])[0],
        **{key: about[key] for key in OF_WEIGHTS},
        **({"normalisation": [one["normalisation"] for one in abouts]} if is_ensemble else {}),
        "interpolation": INTERPOLATION,
        "store": store_of(settings, splits["train"]),
        **{key: about["run"]["recipe"][key] for key in OF_RECIPE},
        **{key: read_json(cost, ["device", "device_name"])[key] for key in ("device", "device_name")},
        "temperature": calibration.temperature,
        "unsure_below": calibration.unsure_below,
        "calibration_images": calibration.images,
        "tested": results_on_test_images(tested, test_data, index, calibration, confidence)
        | {"mode": mode if tested is None else parsed_mode(mode)}
        | leaked_of_test(leaks, len(splits["test"])),
        "versions": versions(about["run"]["torch"]),
    }
    data = dict(zip(SPLITS, map(sha256, (train_data, validation_data, test_data)), strict=True))
    digests = [sha256(path) for path in weights]
    content = sealed(content, digests if is_ensemble else digests[0], {"decision": sha256(decision), "data": data})
    write_json(description, content)
    write_text(
        card, card_of(content, arm, settings, parsed_json("pretraining", pretraining), splits, about["run"]["phases"])
    )
    for source, copy in ((ALONE, script), (Path(decoding.__file__), decoder)):
        with atomic_write(copy) as temporary:
            shutil.copyfile(source, temporary)
    print(f"{content['name']}, {network_in_words(content)}: {description.parent}", flush=True)


def run_of(chosen: Mapping[str, Any]) -> dict[str, int]:
    """Return the keys `seed` and, with folds, `fold` of `model.json`."""
    return {"seed": chosen["seed"], **({} if chosen.get("fold") is None else {"fold": chosen["fold"]})}


def named(abouts: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the key `members` of `model.json`: the names of the runs.

    Args:
        abouts: the metadata of each file of weights.
    """
    return {"members": [run_name(about["run"]["seed"], about["run"].get("fold")) for about in abouts]}


def check_members(weights: Sequence[Path], abouts: Sequence[Mapping[str, Any]]) -> None:
    """Check that files of weights are members of one ensemble.

    Raises:
        InputError: a file has another name than its run's, or two differ in more than seed, fold and normalisation.
    """
    for path, expected, about in zip(weights, weights_files(named(abouts)["members"]), abouts, strict=True):
        if path.name != expected:
            raise InputError(f"{path}: these are the weights of {expected}; delete the file and run again.")
        for key in (*OF_WEIGHTS, "recipe"):
            first, own = (one["run"][key] if key == "recipe" else one[key] for one in (abouts[0], about))
            if first != own and key != "normalisation":
                raise InputError(f"{path}: the {key} differs from that of {weights[0]}; delete both and run again.")


def leaked_of_test(leaks: Path, images: int) -> dict[str, Any]:
    """Return how many test images have a counterpart in another split, and whether the report then recommends nothing.

    Raises:
        InputError: the table is missing or broken, or does not fit the number of test images.
    """
    table = read_table(leaks, LEAKS)
    splits = leaked_splits(table[table["split"] == "test"], {"test": images})
    found = next(iter(splits), None)
    return {"leaked": 0 if found is None else found.leaked, "leaked_refuses": found is not None and found.refuses}


def store_of(settings: Mapping[str, Any], train: Split) -> dict[str, Any]:
    """Return how an image file becomes an image as it is stored: as `check_data` does it.

    Images of a source of arrays have no rule: a file is decoded by the default one, and its centre is fitted to the
    stored size.
    """
    height, width = train.images.shape[1:3]
    rule = StoredRule(decoding.DecodingRule(), max(height, width), "crop" if height == width else "squash")
    if "store_size" in settings:  # of image files
        rule = StoredRule.of(settings)
    return {
        "size": rule.size,
        "fit": rule.fit,
        "background": list(rule.decoding.background),
        "value_range": rule.decoding.value_range and list(rule.decoding.value_range),
        "largest_megapixels": rule.decoding.largest_pixels / 1_000_000,
        "crop": train.crop,
        "decoder": decoding.decoder_versions(),
    }


def results_on_test_images(
    tested: Sequence[Path] | None, test_data: Path, index: Path, calibration: Calibration, confidence: float
) -> dict[str, Any]:
    """Return the model's results on test images: accuracy with its interval, and by class; percentages.

    Without test images there is none. Where the images were drawn in groups, intervals are over groups, and `groups`
    has a row for the images of one class in one group: the number of the class, images, correct ones, number of the
    group.

    Args:
        tested: with the logits of the run, or of each member of an ensemble.

    Raises:
        InputError: the file has not the logits of these images, or the table is about others.
    """
    if tested is None:
        nothing = dict.fromkeys(("recall", "low", "high", "precision"))
        classes = [{"class": name, "images": 0, "correct": 0, **nothing} for name in load_split(test_data).classes]
        none = {"images": 0, "correct": 0, "confidence": confidence, **dict.fromkeys(("accuracy", "low", "high"))}
        return {**none, "classes": classes, "unsure": 0, "unsure_correct": 0}
    truth = read_truth(test_data)
    logits = of_members([read_logits(path, truth) for path in tested])
    predicted = logits.argmax(axis=1)
    correct = predicted == truth.labels
    groups = read_groups(index, "test", len(correct))
    low, high = accuracy_interval(correct[None], confidence, Sampling(groups=groups))
    results: dict[str, Any] = {
        "images": len(correct),
        "correct": int(correct.sum()),
        "confidence": confidence,
        "accuracy": rounded(100 * int(correct.sum()) / len(correct)),
        "low": rounded(low),
        "high": rounded(high),
        "classes": class_results(predicted, truth, confidence, groups),
    }
    if groups is not None:
        table = pandas.DataFrame({"class": truth.labels, "group": groups, "correct": correct})
        counts = table.groupby(["class", "group"])["correct"].agg(["size", "sum"]).reset_index()
        results["groups"] = counts[["class", "size", "sum", "group"]].to_numpy().tolist()
    if calibration.temperature is not None and calibration.unsure_below is not None:
        probability = calibrated(logits, calibration.temperature).max(axis=1).round(DECIMALS)
        unsure = probability < calibration.unsure_below
        results |= {"unsure": int(unsure.sum()), "unsure_correct": int(correct[unsure].sum())}
    measured = measure(logits, truth.labels, calibration.temperature, confidence)
    results["calibration_error"] = {
        one.probabilities: {key: round(100 * value, ERROR_DECIMALS) for key, value in asdict(one.error).items()}
        for one in measured
    }
    return results


def class_results(
    predicted: numpy.ndarray, truth: Truth, confidence: float, groups: numpy.ndarray | None = None
) -> list[dict[str, Any]]:
    """Return the number of images, of correct ones, and recall (with its interval) and precision of each class."""
    counts = confusion_counts(truth.labels, predicted, len(truth.classes))
    recall, precision = recall_and_precision(counts)
    low, high = recall_intervals(
        (predicted == truth.labels)[None], truth.labels, len(truth.classes), confidence, groups=groups
    )
    return [
        {
            "class": name,
            "images": int(counts[number].sum()),
            "correct": int(counts[number, number]),
            "recall": rounded(recall[number]),
            "low": rounded(low[number]),
            "high": rounded(high[number]),
            "precision": rounded(precision[number]),
        }
        for number, name in enumerate(truth.classes)
    ]


def rounded(percentage: float) -> float | None:
    """Return a percentage for JSON; None where there is none."""
    return None if numpy.isnan(percentage) else round(float(percentage), SHARE_DECIMALS)
