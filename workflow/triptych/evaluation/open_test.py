"""Evaluate a trained run on the test images, once the decision is made, and record that it happened."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from triptych.data.dataset import load_split
from triptych.models.networks import load_network
from triptych.results.decision import read_decision
from triptych.results.openings import parsed_lines
from triptych.results.run_names import fold_cells, run_in_words, run_name
from triptych.storage.errors import InputError
from triptych.storage.files import append_line, sha256, write_json
from triptych.storage.tensors import load_metadata, save_tensors
from triptych.training.arithmetic import prepare
from triptych.training.batches import EvaluationTransform
from triptych.training.device import device_name
from triptych.training.evaluate import evaluate
from triptych.training.failures import translate_torch_errors
from triptych.training.recipe import PLAIN, EvaluationRecipe, Execution
from triptych.training.residency import Resident, choose_residency


def open_test(  # noqa: PLR0913
    *,
    architecture: str,
    input_size: int,
    arm: str,
    seed: int,
    fold: int | None = None,
    trained: Path,
    decision: Path,
    test_data: Path,
    recipe: EvaluationRecipe,
    execution: Execution = PLAIN,
    openings: Path,
    predictions: Path,
    opened: Path,
) -> None:
    """Evaluate one run on the test images. Before they are read, a line is appended to the log of openings.

    Args:
        architecture, input_size: the network of the run.
        arm, seed, fold: the run.
        trained: its weights, from `train`. The metadata has the normalisation.
        decision: from `decide`. Any run may be opened, also that of a control, which the decision does not rank.
        test_data: images and labels.
        recipe: everything else that affects the result.
        execution: what affects only speed.
        openings: the log, JSON lines: `arm`, `seed`, with folds `fold`, the digests of the `decision` and of the file
            `trained`, `time` (UTC). It only grows, and holds openings that failed later, too.
        predictions: `test_logits`, float32 [images, classes]; the metadata has the digest of the `decision`.
        opened: the digest of the `decision`, the number of `openings` of this run in the log, and the digests of their
            `decisions`, in order. It differs between executions.

    Raises:
        InputError: an input file is invalid, the decision was changed by hand, the weights are those of another
            network, run or data set, the recipe cannot run on this machine, or memory is exhausted.
    """
    digest = read_decision(decision)["digest"]
    run = {"seed": seed, **fold_cells(fold)}
    network, scale = _trained_network(trained, architecture, input_size, run, test_data)
    arithmetic = prepare(recipe, execution)
    chosen = arithmetic.device
    batch_size, setting = recipe.evaluation_batch_size, "training.evaluation_batch_size"
    with translate_torch_errors(batch_size, 0, arithmetic, setting=setting):
        network.to(chosen).to(memory_format=arithmetic.memory_format)
        record = {"arm": arm, **run, "decision": digest, "trained": sha256(trained)}
        lines = append_line(openings, json.dumps(record | {"time": datetime.now(UTC).isoformat()}, sort_keys=True))
        split = load_split(test_data)
        if not len(split):
            raise InputError(f"{test_data}: expected test images, found none.")
        print(
            f"opening {len(split)} test images for {arm}, {run_in_words(run_name(seed, fold))}, on "
            f"{device_name(chosen)} ({chosen.type}, {recipe.precision}) under the decision {digest[:12]}",
            flush=True,
        )
        transform = EvaluationTransform(
            input_size, scale["mean"], scale["std"], chosen, arithmetic.memory_format, split.crop
        )
        data = Resident(split, chosen, choose_residency(arithmetic.residency, split.images.nbytes, chosen))
        loss, accuracy, logits = evaluate(network, data, transform, batch_size, arithmetic)
    print(f"test {loss:.4f} {accuracy:5.1f} %", flush=True)
    decisions = _decisions_of(lines, {"arm": arm, "seed": seed, "fold": fold})
    save_tensors(predictions, {"test_logits": logits.numpy()}, {"decision": digest})
    write_json(opened, {"decision": digest, "openings": len(decisions), "decisions": decisions})


def _trained_network(
    trained: Path, architecture: str, input_size: int, run: dict[str, int], test_data: Path
) -> tuple[torch.nn.Module, dict[str, list[float]]]:
    """Return a run's network and the normalisation of its input. No test image is read, only the names of the classes.

    Raises:
        InputError: the file is not from `train`, or is of another network, run or data set.
    """
    network, metadata = load_network(trained)
    described, scale = metadata.get("run"), metadata.get("normalisation")
    if not isinstance(described, dict) or not isinstance(scale, dict) or not {"mean", "std"} <= scale.keys():
        raise InputError(f"{trained}: expected weights from `train`, found metadata that does not describe a run.")
    expected = {
        "architecture": architecture,
        "input_size": input_size,
        **run,
        "classes": load_metadata(test_data).get("classes"),
    }
    found = {**metadata, **{key: described.get(key) for key in run}}
    for name, value in expected.items():
        if found[name] != value:
            raise InputError(
                f"{trained}: expected the {name.replace('_', ' ')} {value}, found {found[name]}; give the weights of "
                "this run."
            )
    return network, scale


def _decisions_of(lines: list[str], run: dict[str, Any]) -> list[str]:
    """Return the digests of the decisions under which a run (arm, seed, fold) was opened, in order."""
    return [str(entry.get("decision")) for entry in parsed_lines(lines) if {key: entry.get(key) for key in run} == run]
