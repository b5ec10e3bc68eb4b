"""Settings, files and options of a job by its wildcards, for the rules, from the effective configuration.

Paths begin with Snakemake's `<results>` or `<resources>`. Wildcards that the rule fills remain in braces.
"""

import json
from collections.abc import Callable, Mapping
from functools import cached_property, reduce
from itertools import product
from operator import getitem
from typing import Any, Protocol

from triptych.configuration.cached_features import trunk_of, trunks
from triptych.configuration.claims import NONE
from triptych.configuration.downloads import downloads, weights_download
from triptych.configuration.effective import compared_networks, resolved_arms
from triptych.configuration.pretraining import pretrained_architectures, pretrains_on_letters
from triptych.configuration.sources.registry import source_of
from triptych.results import schema
from triptych.results.run_names import folds_of, has_no_test, runs_of
from triptych.results.schema import Table
from triptych.wings import figures_of, figures_with, tables_with
from triptych.workflow.options import as_json, one_of, option

EXPERIMENT = "<results>/{experiment}"
RUN = f"{EXPERIMENT}/runs/{{arm}}/{{run}}"


class Wildcards(Protocol):
    """The wildcards of a job; each rule has some of them."""

    experiment: str
    arm: str
    run: str
    architecture: str
    trunk: str
    part: str
    file: str


Lookup = Callable[[Wildcards], Any]


class Graph:
    """The experiments of a configuration, for the rules.

    Args:
        settings: the effective configuration (`triptych.configuration.effective`).
        run_is_there: whether a run, by experiment, arm and name, is finished. Only partial reports need it.
    """

    def __init__(self, settings: Mapping[str, Any], run_is_there: Callable[[str, str, str], bool]):
        self.experiments: Mapping[str, Mapping[str, Any]] = settings["experiments"]
        self.keep_weights: str = settings["keep_weights"]
        self.downloads = downloads(self.experiments)
        self.run_is_there = run_is_there
        self.found: dict[str, dict[str, list[int]]] = {}

    # Settings

    def of_experiment(self, function: Callable[[Mapping[str, Any]], Any]) -> Lookup:
        """Apply a function to the settings of the experiment of the wildcards."""
        return lambda wildcards: function(self.experiments[wildcards.experiment])

    def experiment_setting(self, path: str) -> Lookup:
        """Look up the value at `path` (keys joined by slashes) of the experiment of the wildcards.

        Snakemake's `lookup` traverses all settings for each value, so its time is quadratic in the number of arms.
        """
        return self.of_experiment(lambda experiment: reduce(getitem, path.split("/"), experiment))

    def arm_of(self, wildcards: Wildcards) -> Mapping[str, Any]:
        """Return the settings of the arm of the wildcards, or of an arm with the trunk of the wildcards."""
        arms = self.experiments[wildcards.experiment]["arms"]
        if hasattr(wildcards, "trunk"):
            return trunks(arms)[wildcards.trunk]
        arm: Mapping[str, Any] = arms[wildcards.arm]
        return arm

    def arm_setting(self, path: str) -> Lookup:
        """Look up the value at `path` of the arm (or trunk) of the wildcards, with the defaults of its experiment."""
        return lambda wildcards: reduce(getitem, path.split("/"), self.arm_of(wildcards))

    def claims_of(self, wildcards: Wildcards) -> str:
        """Return the claims of the experiment; none for a partial report, because it lacks runs."""
        claims: str = self.experiments[wildcards.experiment]["claims"]
        return NONE if wildcards.part else claims

    def with_weights_from(self, source: str) -> str:
        """Return a wildcard constraint for the experiments whose pretrained weights have this source."""
        return one_of(name for name, one in self.experiments.items() if one["weights"]["source"] == source)

    @cached_property
    def with_image_files(self) -> list[str]:
        """The experiments whose images are the user's own files."""
        return [name for name, one in self.experiments.items() if source_of(one["dataset"]).FILES]

    @cached_property
    def with_ensemble(self) -> list[str]:
        """The experiments that keep all networks of the chosen arm."""
        return [name for name, one in self.experiments.items() if one.get("ensemble")]

    @cached_property
    def with_folds(self) -> list[str]:
        """The experiments whose training images are dealt to folds."""
        return [name for name, one in self.experiments.items() if folds_of(one["dataset"]) != [None]]

    def folds_file(self, wildcards: Wildcards) -> str | list[str]:
        """The folds of the experiment of the wildcards; none if it has a validation part."""
        return f"{EXPERIMENT}/data/folds.safetensors" if wildcards.experiment in self.with_folds else []

    def data_of_folds(self, wildcards: Wildcards) -> str | list[str]:
        """The images that folds hold out; none if the experiment of the wildcards has a validation part."""
        return f"{EXPERIMENT}/data/train.safetensors" if wildcards.experiment in self.with_folds else []

    def of_image_files(self, function: Callable[[Wildcards], Any], otherwise: Any = None) -> Lookup:
        """Apply a function to the wildcards if the images of their experiment are the user's own files."""
        return lambda wildcards: function(wildcards) if wildcards.experiment in self.with_image_files else otherwise

    @cached_property
    def constraints(self) -> dict[str, str]:
        """Return the constraint of each wildcard: only values of the configured experiments."""
        experiments = self.experiments.values()
        arms = [(name, arm) for experiment in experiments for name, arm in experiment["arms"].items()]
        seeds = one_of(seed for experiment in experiments for seed in experiment["seeds"])
        return {
            "experiment": one_of(self.experiments),
            "part": one_of(["", "partial/"]),  # of a report: complete or partial
            "arm": one_of(name for name, _ in arms),
            "trunk": one_of(name for experiment in experiments for name in trunks(experiment["arms"])),
            "run": f"seed({seeds})" + "(_fold[0-9]+)?" * bool(self.with_folds),
            "architecture": one_of(arm["model"]["architecture"] for _, arm in arms),
            "input_size": "[0-9]+",
            "file": one_of(self.downloads),
            "quantity": one_of(figure.name for figure in figures_of("plot_curves")),
        }

    # Runs

    def seeds_of_runs(self, wildcards: Wildcards) -> dict[str, list[int]]:
        """Return the seeds of the runs of each arm: all configured ones; for a partial report, the finished ones.

        With folds a seed is finished if the runs of all its folds are.

        Raises:
            SystemExit: a partial report has no run, or only runs of controls. Snakemake would print any other error of
                an input function with a traceback.
        """
        experiment = self.experiments[wildcards.experiment]
        if not getattr(wildcards, "part", ""):
            return dict.fromkeys(experiment["arms"], experiment["seeds"])
        if wildcards.experiment not in self.found:  # cached, so that it does not change while jobs run
            self.found[wildcards.experiment] = self._finished(wildcards.experiment)
        return self.found[wildcards.experiment]

    def _finished(self, name: str) -> dict[str, list[int]]:
        arms, seeds = self.experiments[name]["arms"], self.experiments[name]["seeds"]
        found = {
            arm: [seed for seed in seeds if all(self.run_is_there(name, arm, run) for run in self.runs_of(name, seed))]
            for arm in arms
        }
        if not any(found[arm] for arm in arms if arms[arm]["role"] != "control"):
            raise SystemExit(f"{name}: no finished run for a partial report (controls do not count); train one first.")
        return {arm: own for arm, own in found.items() if own}

    def runs_of(self, name: str, *seeds: int) -> list[str]:
        """Return the names of the runs of an experiment with these seeds."""
        return runs_of(seeds, self.experiments[name]["dataset"])

    def first_runs(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the first run of each arm by its name, for figures of one run per arm."""
        runs = self.seeds_of_runs(wildcards)
        return {arm: self.runs_of(wildcards.experiment, *seeds)[0] for arm, seeds in runs.items()}

    def with_runs(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of the experiment of the wildcards, with only the arms that have runs."""
        experiment = self.experiments[wildcards.experiment]
        return {**experiment, "arms": {arm: experiment["arms"][arm] for arm in self.seeds_of_runs(wildcards)}}

    # Files

    def of_runs(self, pattern: str | list[str]) -> Lookup:
        """Return the files `pattern` of all runs of the experiment (and part) of the wildcards."""
        return lambda wildcards: [
            file
            for arm, seeds in self.seeds_of_runs(wildcards).items()
            for file in filled(pattern, arm=[arm], run=self.runs_of(wildcards.experiment, *seeds))
        ]

    def test_data_of_training(self, wildcards: Wildcards) -> str | list[str]:
        """The test images, for commands before the decision: none, unless the experiment tests after every epoch."""
        every_epoch = self.experiments[wildcards.experiment]["test"] == schema.EVERY_EPOCH
        return f"{EXPERIMENT}/data/test.safetensors" if every_epoch else []

    def test_results_of_runs(self, wildcards: Wildcards) -> list[str]:
        """What holds the test results of every run of the wildcards' experiment (and part)."""
        every_epoch = self.experiments[wildcards.experiment]["test"] == schema.EVERY_EPOCH
        files = ["predictions.safetensors"] if every_epoch else ["test.safetensors", "opened.json"]
        return self.of_runs([f"{RUN}/{file}" for file in files])(wildcards)  # type: ignore[no-any-return]

    def tested_data(self, wildcards: Wildcards) -> str | list[str]:
        """The test images, where the runs of the wildcards' experiment (and part) have test results."""
        return f"{EXPERIMENT}/data/test.safetensors" if self.mode_of(wildcards) in schema.TESTED else []

    def predictions_of_runs(self, wildcards: Wildcards) -> list[str]:
        """What holds the predictions of every run for validation images, and for test images where there are such."""
        tested = ["test.safetensors"] if self.mode_of(wildcards) == schema.AFTER_DECISION else []
        files = [f"{RUN}/{file}" for file in ("predictions.safetensors", *tested)]
        return self.of_runs(files)(wildcards)  # type: ignore[no-any-return]

    def opened_of_experiment(self, wildcards: Wildcards) -> str | list[str]:
        """The record of the openings of the test images, where they are opened after a decision."""
        opened = self.mode_of(wildcards) == schema.AFTER_DECISION
        return f"{EXPERIMENT}/opened.json" if opened else []

    def weights_that_are_kept(self, wildcards: Wildcards) -> list[str]:
        """The weights of every run that `keep_weights` keeps; else what holds them until the decision."""
        mode = test_mode(self.experiments[wildcards.experiment])
        files = {
            "model": ["decided"] * (mode != schema.AFTER_DECISION),
            "trained": ["trained.safetensors"],
            "all": ["trained.safetensors", "initial.safetensors"],
        }[self.keep_weights]
        return self.of_runs([f"{RUN}/{file}" for file in files])(wildcards)  # type: ignore[no-any-return]

    def members(self, name: str) -> list[str]:
        """Return the names of the runs of an arm of an experiment, whose networks are an ensemble."""
        return self.runs_of(name, *self.experiments[name]["seeds"])

    def mode_of(self, wildcards: Wildcards) -> schema.Mode:
        """What is known about test images: nothing in a partial report, unless they are evaluated after every epoch."""
        mode = test_mode(self.experiments[wildcards.experiment])
        return schema.UNOPENED if wildcards.part and mode == schema.AFTER_DECISION else mode

    def mode_of_whole(self, wildcards: Wildcards) -> schema.Mode:
        """What is known about test images once the experiment is finished."""
        return test_mode(self.experiments[wildcards.experiment])

    def of_models(self, pattern: str | list[str]) -> Lookup:
        """Return the files `pattern` of all networks and input sizes of the experiment of the wildcards."""

        def files(wildcards: Wildcards) -> list[str]:
            models = [arm["model"] for arm in self.with_runs(wildcards)["arms"].values()]
            pairs = dict.fromkeys((model["architecture"], model["input_size"]) for model in models)
            return [file for name, size in pairs for file in filled(pattern, architecture=[name], input_size=[size])]

        return files

    def kernels_of_first_runs(self, wildcards: Wildcards) -> list[str]:
        """Return the kernels of all arms at their first runs: all arms share one scale."""
        runs = self.first_runs(wildcards).items()
        return [file for arm, run in runs for file in filled(f"{RUN}/kernels.safetensors", arm=[arm], run=[run])]

    def test_logits(self, wildcards: Wildcards) -> str:
        """Return the name, without its ending, of a run's file with its logits of test images."""
        every_epoch = self.experiments[wildcards.experiment]["test"] == schema.EVERY_EPOCH
        return "predictions" if every_epoch else "test"

    def predictions_of_arm(self, wildcards: Wildcards) -> list[str]:
        file = f"{RUN}/{self.test_logits(wildcards)}.safetensors"
        return filled(file, run=self.runs_of_arm(wildcards))

    def runs_of_arm(self, wildcards: Wildcards) -> list[str]:
        """Return the names of the runs of the arm of the wildcards."""
        return self.runs_of(wildcards.experiment, *self.seeds_of_runs(wildcards)[wildcards.arm])

    def features_of_arm(self, file: str) -> Lookup:
        """Return a file of the cached features of the arm of the wildcards; none if it trains on images."""

        def files(wildcards: Wildcards) -> str | list[str]:
            trunk = trunk_of(self.arm_of(wildcards))
            return f"{EXPERIMENT}/features/{trunk}/{file}" if trunk else []

        return files

    def weights_of_trunk(self, wildcards: Wildcards) -> str:
        return f"{EXPERIMENT}/weights/{self.arm_of(wildcards)['model']['architecture']}.safetensors"

    def pretrained_weights(self, wildcards: Wildcards) -> str | list[str]:
        """Return the file of initial weights of an arm; none for random weights."""
        return self.weights_of_trunk(wildcards) if self.arm_of(wildcards)["weights"] == "pretrained" else []

    def pretrained_of_experiment(self, wildcards: Wildcards) -> list[str]:
        """Return the pretrained weights of an experiment, and their histories if they are pretrained here."""
        experiment = self.with_runs(wildcards)
        histories = ["_history.csv"] if experiment["weights"]["source"] == "letters" else []
        return [
            f"{EXPERIMENT}/weights/{architecture}{ending}"
            for architecture in pretrained_architectures(experiment)
            for ending in (".safetensors", *histories)
        ]

    def dataset_files(self, wildcards: Wildcards) -> list[str]:
        """Return the downloaded files of a data set, if any.

        They are not ancient(): if a download runs although its file exists, Snakemake does not check the jobs after it
        for missing output or changes, and skips them (issue 4166 of Snakemake).
        """
        needed = source_of(self.experiments[wildcards.experiment]["dataset"]).downloads()
        return [f"<resources>/datasets/{download.file}" for download in needed]

    def of_check(self, file: str) -> Lookup:
        """Return a file that the check of the user's own image files makes; none for other sources."""
        return self.of_image_files(lambda wildcards: f"{EXPERIMENT}/data/{file}", otherwise=[])

    def of_weights(self, key: str) -> Lookup:
        """Look up `key` of the download of the weights of an architecture."""
        return lambda wildcards: getattr(
            weights_download(self.experiments[wildcards.experiment]["weights"], wildcards.architecture), key
        )

    def downloaded_weights(self, wildcards: Wildcards) -> str:
        """Return the downloaded file of the weights of an architecture."""
        return f"<resources>/weights/{self.of_weights('file')(wildcards)}"

    # A download is identified by its checksum, so its URL does not affect results. Snakemake does not rerun a job for a
    # parameter whose function takes `output`.

    def download_option(self, name: str, key: str) -> Callable[[Wildcards, Any], str]:
        """Return the option `--name value` of the file of the wildcards, if it has a value."""
        return lambda wildcards, output: option(name, getattr(self.downloads[wildcards.file], key))

    def download_urls(self, wildcards: Wildcards, output: Any) -> str:
        """Return the URLs of the file of the wildcards, as JSON."""
        return as_json(self.downloads[wildcards.file].urls)

    def download_sha256(self, wildcards: Wildcards) -> str:
        return self.downloads[wildcards.file].sha256

    def figures_of(self, wildcards: Wildcards) -> list[str]:
        """Return all figures of an experiment, as SVG."""
        experiment = self.experiments[wildcards.experiment]
        figures = figures_with(
            self.claims_of(wildcards),
            mode=self.mode_of(wildcards),
            references=bool(experiment["reference_models"]),
            images=experiment["report"]["images"] == "all",
            letters=pretrains_on_letters(experiment),
        )
        return [
            f"{EXPERIMENT}/{'{part}' * figure.in_partial}figures/{name}.svg"
            for figure in figures
            for name in figure.names(list(self.seeds_of_runs(wildcards)))
        ]

    def tables_of_experiment(self, wildcards: Wildcards) -> list[str]:
        """Every table of an experiment that a reader downloads."""
        return [path_of(table) for table in tables_with(self.claims_of(wildcards), self.mode_of(wildcards)).values()]

    # Options

    def arms_json(self, wildcards: Wildcards) -> str:
        """Return all arms of the experiment with everything that affects results, in configuration order, as JSON."""
        return as_json(resolved_arms(self.with_runs(wildcards)))

    def networks_json(self, wildcards: Wildcards) -> str:
        """Return the networks of all arms and the reference networks, as JSON."""
        return as_json(compared_networks(self.experiments[wildcards.experiment]))

    def runs_json(self, wildcards: Wildcards) -> str:
        """Return the seeds of the runs of each arm, as JSON."""
        return as_json(self.seeds_of_runs(wildcards))

    def ordered_runs_json(self, wildcards: Wildcards) -> str:
        """Return pairs of an arm and the seeds of its runs, in configuration order, as JSON."""
        return as_json(list(self.seeds_of_runs(wildcards).items()))

    def missing_option(self, wildcards: Wildcards) -> str:
        """Return the option `--missing` of a partial report: the seeds of the missing runs by arm."""
        if not wildcards.part:
            return ""
        there, experiment = self.seeds_of_runs(wildcards), self.experiments[wildcards.experiment]
        missing = {
            arm: [seed for seed in experiment["seeds"] if seed not in there.get(arm, [])] for arm in experiment["arms"]
        }
        return option("--missing", json.dumps(missing))


def test_mode(experiment: Mapping[str, Any]) -> schema.Mode:
    """Return when the test images of an experiment are evaluated: never, where there are none."""
    mode: schema.Mode = experiment["test"]
    return schema.NO_TEST if has_no_test(experiment["dataset"]) else mode


def filled(patterns: str | list[str], **values: list[Any]) -> list[str]:
    """Fill the wildcards of each pattern with every combination of the values; other wildcards remain."""
    found = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        for combination in product(*values.values()):
            file = pattern
            for name, value in zip(values, combination, strict=True):
                file = file.replace(f"{{{name}}}", str(value))
            found.append(file)
    return found


def path_of(table: Table, part: str = "{part}") -> str:
    """Return the file of a declared table; `part` is used only if partial reports have the table."""
    return f"{EXPERIMENT}/{part * table.in_partial}{table.file}"
