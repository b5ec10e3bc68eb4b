"""One experiment on one machine: what each of its jobs takes, and its memory and disk, once its arms are timed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from triptych.configuration.cached_features import trunk_of, trunks
from triptych.configuration.pretraining import pretrained_architectures, pretrains_on_letters
from triptych.configuration.regime import phases_of
from triptych.console.schedule import Job, Needs
from triptych.console.sizes import REST, Images, images_of
from triptych.console.target import Target
from triptych.data.found import Found
from triptych.workflow.recipes import execution_of, recipe_of, recipe_of_pretraining

MOST_COPIES = 8
"""The most processes that time an arm side by side, as its runs are trained side by side."""
LETTER_CLASSES = 26
START_UP = 2.2
"""CPU seconds of `python -m triptych train --help` on the machine of the next table: a core of an AMD EPYC."""
AROUND = 4.0
"""Seconds of `triptych run` beside its jobs (its checks, the end of Snakemake, the answer), on the same machine."""
SECONDS = {
    "check_data": 1.2, "collect_predictions": 0.6, "collect_results": 1.2, "collect_validation": 1.1,
    "compare_architectures": 4.4, "convert_weights": 2.6, "copy_member": 0.4, "copy_model": 0.4, "decide": 1.1,
    "describe_model": 4.4,
    "extract_weight_delta": 2.7, "prepare_dataset": 1.2, "prepare_letters": 3.0, "report": 1.5, "report_data": 2.5,
    "write_configuration": 0.4, "write_manifest": 0.6, "write_model": 3.0,
}  # fmt: skip
"""CPU seconds of other commands, measured there. They are scaled by the start-up that is measured here."""
OTHER_SECONDS = 1.3
"""Of every command that is not named: figures, for example."""
OPENING = 1.2
"""Seconds of open_test beside its start-up and its images."""
WITHOUT_PROCESS = {"all", "everything", "await_decision"}
PER_JOB = 0.12
"""Seconds that Snakemake takes for a job."""
PER_IMAGE = {"check_data": 0.0, "prepare_dataset": 0.0003, "report_data": 0.002}
"""Seconds of an image file beside its decoding."""


@dataclass(frozen=True)
class Arm:
    """An arm, or the pretraining of a network, once some of its steps are timed.

    Attributes:
        answer: of `triptych.console.measure`, by key; empty where it could not run.
        start_up: seconds of a process of it before its first step.
        problem: why there is no answer.
    """

    answer: Mapping[str, Any] = field(default_factory=dict)
    start_up: float = 0.0
    problem: str = ""

    def value(self, key: str) -> float:
        """Return a number of the answer; 0 without one."""
        return float(self.answer.get(key, 0))

    @property
    def seconds(self) -> float:
        """Seconds of the whole job."""
        return self.start_up + self.value("seconds")


@dataclass
class Plan:
    """An experiment, and what is left to run of it.

    Attributes:
        settings: its effective configuration.
        files: the user's image files, if there are such.
        cores, gpus: that Snakemake may use; a GPU that is shared counts several times.
        runs: the trainings that are left, by arm.
        networks: those that are left to pretrain on letters.
        checks: whether the user's files are left to be checked.
        arms, pretrainings: once they are timed.
        decoding: seconds to decode an image file with one process, once it is timed.
    """

    name: str
    settings: Mapping[str, Any]
    images: Images
    files: Found | None
    jobs_per_gpu: int
    cores: int
    gpus: int
    runs: Mapping[str, int] = field(default_factory=dict)
    networks: list[str] = field(default_factory=list)
    checks: bool = False
    arms: dict[str, Arm] = field(default_factory=dict)
    pretrainings: dict[str, Arm] = field(default_factory=dict)
    decoding: float = 0.0

    @classmethod
    def of(cls, target: Target, name: str, files: Found | None, cores: int, gpus: int) -> "Plan":
        """Return the plan of an experiment; its images are counted."""
        experiment = target.configuration.experiments[name]
        prepared = target.folders[name] / "data" / "sizes.csv"
        images = images_of(experiment.dataset, experiment.model.input_size, files, prepared)
        settings = target.settings["experiments"][name]
        return cls(name, settings, images, files, target.configuration.jobs_per_gpu, cores, gpus)

    def left(self, jobs: list[Job]) -> None:
        """Note what is left to run."""
        own = [job for job in jobs if job.wildcards.get("experiment") == self.name]
        trainings = [job.wildcards["arm"] for job in own if job.rule == "train"]
        self.runs = {arm: trainings.count(arm) for arm in self.settings["arms"] if arm in trainings}
        self.networks = [job.wildcards["architecture"] for job in own if job.rule == "pretrain_weights"]
        self.checks = any(job.rule == "check_data" for job in own)

    # What is asked of `triptych.console.measure`

    def request(self, arm: str) -> dict[str, Any]:
        """Return what is asked about an arm."""
        settings = self.settings["arms"][arm]
        (phase,) = phases_of(settings)
        return {
            **{key: settings["model"][key] for key in ("architecture", "input_size")},
            **phase,
            "recipe": recipe_of(settings["training"], "train"),
            "execution": execution_of(settings["training"], self.jobs_per_gpu),
            "train": self.images.train,
            "validation": self.images.validation,
            "test": self.images.test if self.settings["test"] == "every_epoch" else 0,
            "classes": self.images.classes,
            "side": self.images.side,
            "crop": self.images.crop,
            "features": trunk_of(settings) is not None,
        }

    def pretraining(self, architecture: str) -> dict[str, Any]:
        """Return what is asked about the pretraining of a network on letters."""
        weights, side = self.settings["weights"], self.settings["model"]["input_size"]
        recipe = json.loads(recipe_of_pretraining(self.settings)) | {"train_images": None}
        return {
            "architecture": architecture,
            "input_size": side,
            "trainable": "all",
            "batchnorm": "train",
            "recipe": json.dumps(recipe),
            "execution": execution_of(self.settings["training"], self.jobs_per_gpu),
            "train": weights["train_images"],
            "validation": weights["validation_images"],
            "test": 0,
            "classes": LETTER_CLASSES,
            "side": side,
            "crop": False,
            "features": False,
        }

    def on_gpu(self, arm: str) -> bool:
        """Return whether an arm trains on a GPU here."""
        return self.gpus > 0 and self.settings["arms"][arm]["training"]["device"] != "cpu"

    def side_by_side(self, arm: str) -> int:
        """Return how many trainings of an arm run at once: on a machine's cores, or on one GPU."""
        threads: int = self.settings["arms"][arm]["training"]["num_threads"]
        most = self.jobs_per_gpu if self.on_gpu(arm) else max(1, self.cores // threads)
        return min(most, self.runs[arm], MOST_COPIES)

    # What it takes

    def needs(self, job: Job, scale: float) -> Needs:
        """Return what a job of this experiment takes.

        Args:
            scale: the start-up of a process here, as a multiple of `START_UP`.
        """
        if job.rule == "train":
            name = job.wildcards["arm"]
            return self._training(self.arms[name].seconds, self.settings["arms"][name], 1)
        if job.rule == "pretrain_weights":
            pretraining = self.pretrainings[job.wildcards["architecture"]]
            return self._training(pretraining.seconds, self.settings, 2)
        if job.rule == "extract_features":
            arm, settings = self._of_trunk(job.wildcards["trunk"])
            return self._training(arm.start_up + arm.value("extraction_seconds"), settings, 1)
        if job.rule == "open_test":
            arm = self.arms.get(job.wildcards["arm"], Arm())
            seconds = (arm.start_up or START_UP * scale) + OPENING * scale
            seconds += self.images.test * arm.value("evaluation_seconds")
            return self._training(seconds, self.settings["arms"][job.wildcards["arm"]], 0)
        seconds = scale * SECONDS.get(job.rule, OTHER_SECONDS) + PER_JOB
        if self.files is None or job.rule not in PER_IMAGE:
            return Needs(seconds)
        seconds += self.images.stored * PER_IMAGE[job.rule] * scale
        if job.rule == "check_data":
            seconds += self.images.stored * self.decoding / self.cores
        return Needs(seconds, 1 if job.rule == "report_data" else self.cores, priority=2)

    def _training(self, seconds: float, settings: Mapping[str, Any], priority: int) -> Needs:
        training = settings["training"]
        gpus = 0 if training["device"] == "cpu" else 1
        return Needs(seconds + PER_JOB, training["num_threads"], gpus if self.gpus else 0, priority)

    def _of_trunk(self, trunk: str) -> tuple[Arm, Mapping[str, Any]]:
        """Return an arm that trains on cached features, once it is timed, and its settings."""
        settings = trunks(self.settings["arms"])[trunk]
        for arm, found in self.arms.items():
            if trunk_of(self.settings["arms"][arm]) == trunk:
                return found, settings
        return Arm(start_up=START_UP), settings

    def memory(self) -> int:
        """Return the bytes of the trainings that run at once, at most."""
        return max((self.memory_of(arm) for arm in self.arms), default=0)

    def memory_of(self, arm: str) -> int:
        """Return the bytes of as many trainings of an arm as run at once."""
        return int(self.side_by_side(arm) * self.arms[arm].value("memory_bytes"))

    def disk_of(self, arm: str) -> int:
        """Return the bytes of an arm's runs: their weights are there until the decision."""
        features = self.images.stored * self.arms[arm].value("feature_bytes")
        return int(self.runs[arm] * self.arms[arm].value("weight_bytes") + features)

    def disk(self) -> int:
        """Return what the experiment adds to the disk, at most at once; downloads of data sets are not counted."""
        if not self.runs:
            return 0
        total = self.images.stored_bytes() + REST + sum(map(self.disk_of, self.arms))
        total += max(
            2 * self.side_by_side(arm) * int(found.value("checkpoint_bytes")) for arm, found in self.arms.items()
        )
        weights = max(int(found.value("weight_bytes")) for found in self.arms.values())
        total += 2 * weights * len(pretrained_architectures(self.settings))  # the download, and what is made of it
        if self.settings.get("ensemble"):  # the model has a copy of each
            total += weights * max(self.runs.values())
        if pretrains_on_letters(self.settings):
            source = self.settings["weights"]
            letters = source["train_images"] + source["validation_images"]
            total += 3 * letters * self.settings["model"]["input_size"] ** 2
        return total
