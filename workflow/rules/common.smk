# What all rule files share. The checked configuration, the environment of the commands, and small look-ups.
# Needs: config. Makes: settings (the effective configuration), graph (what rules ask about it), code, ...
import json
import os
import sys
from functools import partial
from pathlib import Path

# The checkout's own package comes first, so that a copy, a cluster job or a module runs its own code; and the Python that
# runs Snakemake comes first on PATH, so that a virtual environment need not be activated. A rule's conda environment, where
# one is used, is activated after this and wins.
PACKAGE_PATH = Path(workflow.current_basedir.join("..").get_path_or_uri(secret_free=True)).resolve()
sys.path.insert(0, str(PACKAGE_PATH))
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    PYTHONPATH=os.pathsep.join([str(PACKAGE_PATH), *filter(None, [os.environ.get("PYTHONPATH")])]),
    PYTHONUNBUFFERED="1",
)

from triptych.configuration.claims import WINGS
from triptych.configuration.effective import effective
from triptych.configuration.given_files import check_files, load_given
from triptych.configuration.regime import phases_of
from triptych.configuration.cached_features import trunks
from triptych.results.decision import read_decision
from triptych.storage.errors import InputError
from triptych.workflow.cluster_advice import cluster_advice
from triptych.workflow.graph import RUN, Graph, filled
from triptych.workflow import outputs
from triptych.workflow.outputs import figures_caption, tables_caption, tables_for
from triptych.workflow.code import backbone, code
from triptych.workflow.named_modules import (
    modules_of_networks,
    modules_of_report,
    modules_of_section,
    modules_of_source,
)
from triptych.workflow.recipes import execution_of, recipe_of, recipe_of_pretraining
from triptych.workflow.options import as_json, dataset_json, option, options
from triptych.workflow.resources import gpu_slots, double_on_retry

# Snakemake has read files that are given with --configfile, but not yet the default one, which users edit as well.
try:
    check_files(
        workflow.overwrite_configfiles
        or filter(Path.exists, [PACKAGE_PATH.parent / "config" / "config.yaml"])
    )
except InputError as error:
    sys.exit(f"configuration: {error}")


# A file given with --configfile replaces the default one. Snakemake alone would merge the two, and the arms of the default
# experiment would be added to the user's.
if not workflow.overwrite_configfiles:

    configfile: workflow.source_path("../../config/config.yaml")


try:
    settings = effective(load_given(config))
except InputError as error:
    sys.exit(f"configuration: {error}")


def run_is_there(experiment, arm, seed):
    """Whether a run is trained, and what is taken from its weights is there or can be."""

    def there(*outputs):
        paths = [file.apply_wildcards(dict(experiment=experiment, arm=arm, seed=seed)) for file in outputs]
        return all(exists(path) for path in paths)

    trained = rules.train.output
    return there(trained.history, trained.predictions, trained.cost) and (
        there(*rules.extract_weight_delta.output) or there(trained.trained)
    )


def chosen_run(wildcards):
    """The arm and the seed that the decision chose; None if it chose nothing."""
    decision = checkpoints.decide.get(experiment=wildcards.experiment, part="").output.json
    try:
        return read_decision(Path(decision))["chosen"]
    except InputError as error:
        sys.exit(str(error))


def chosen_weights(wildcards):
    """The trained weights of the chosen run."""
    return filled(f"{RUN}/trained.safetensors", **{key: [value] for key, value in chosen_run(wildcards).items()})


def chosen_model(wildcards):
    """The copy of its weights, if a run is chosen."""
    return rules.copy_model.output.model if chosen_run(wildcards) else []


# The questions that rules ask about experiments, with the wildcards of a job.
graph = Graph(settings, run_is_there)

# Snakemake does not limit a resource that nobody limits: without this, a plain `snakemake --cores 4` would start more
# trainings than may share one GPU. `nodes` is None only where jobs run on this machine. Of several modules in one workflow the
# largest value holds, and a limit that the caller gave is left as it is. Internals of Snakemake 9, in this one place.
if workflow.is_main_process and workflow.nodes is None:
    limits, own = workflow.global_resources, vars(workflow).get("triptych_gpu_limit")
    if limits.get("gpu") == own:
        limits["gpu"] = workflow.triptych_gpu_limit = max(settings["jobs_per_gpu"], own or 0)


def recipe_for(command):
    """The recipe of a command, as JSON, of the wildcards' arm (or trunk)."""
    return lambda wildcards: recipe_of(graph.arm_of(wildcards)["training"], command)


# How commands are executed does not affect results. Snakemake reruns no job for a parameter whose function takes `output`.
def execution_of_arm(wildcards, output):
    return execution_of(graph.arm_of(wildcards)["training"], settings["jobs_per_gpu"])


def execution_of_experiment(wildcards, output):
    return execution_of(graph.experiments[wildcards.experiment]["training"], settings["jobs_per_gpu"])


def in_report(path, caption, category, **labels):
    """A file that Snakemake's report shows."""
    labels = {"experiment": "{experiment}", **labels}
    return report(path, caption=f"../report/{caption}.rst", category=category, labels=labels)


tables_of = partial(outputs.tables_of, in_report)
figures_by = partial(outputs.figures_by, in_report)


def options_of_files(wildcards, input, output):
    """Each named file of a job as the option of its name; what has no name is found in the experiment's folder."""
    return options(**dict([*input.items(), *output.items()]))


def kept_if(kept):
    """Mark weight files that are to be deleted once nothing needs them any more (`keep_weights`)."""
    return (lambda path: path) if kept else temp


wildcard_constraints:
    **graph.constraints,
