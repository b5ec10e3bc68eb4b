"""Configuration files checked as the workflow checks them, without Snakemake."""

from pathlib import Path

from triptych.configuration.experiment import Configuration, Experiment
from triptych.configuration.given_files import load_given, read_files
from triptych.configuration.image_files import ImageFiles


def check(configurations: list[Path]) -> None:
    """Check configuration files without running anything.

    Only their text and values are checked: files named by `path`, such as images, are not opened. `triptych check`
    looks at the image files, too, but takes one configuration.

    Several files are merged, as `snakemake --configfile` does: later ones change single keys of earlier ones.

    Args:
        configurations: the files.

    Raises:
        InputError: a file is missing, is no YAML, or holds what is not allowed. The message has one line for each
            mistake, with what to write.
    """
    configuration = load_given(read_files(configurations))
    print(f"{', '.join(map(str, configurations))}: no mistakes; {in_short(configuration)}", flush=True)


def in_short(configuration: Configuration) -> str:
    """Return how many runs each experiment has, in a line."""
    return "; ".join(f"{name}: {_runs(experiment)}" for name, experiment in configuration.experiments.items())


def _runs(experiment: Experiment) -> str:
    """Return how many runs an experiment has, and whether the user's images are not here."""
    arms, seeds, dataset = len(experiment.arms), len(experiment.seeds), experiment.dataset
    folds = dataset.folds * dataset.repeats if isinstance(dataset, ImageFiles) and dataset.folds else 1
    dealt = f" x {folds} folds" * (folds > 1)
    runs = f"{_count(arms, 'arm')} x {_count(seeds, 'seed')}{dealt} = {_count(arms * seeds * folds, 'run')}"
    if isinstance(dataset, ImageFiles) and not Path(dataset.path).exists():
        return f"{runs} (no images here: {dataset.path} does not exist)"
    return runs


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
