# What all rule files share. The checked configuration, the environment of the commands, and small functions.
# Needs: config. Makes: settings (the effective configuration), graph (look-ups in it), code, ...
import json
import logging
import os
import sys
from functools import partial
from pathlib import Path

# The package of this checkout comes first, so that a copy, a cluster job or a module runs its own code. The Python that
# runs Snakemake comes first on PATH, so that a virtual environment need not be activated. The conda environment of a rule
# is activated later and has priority.
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
from triptych.results.run_names import run_name, seed_and_fold
from triptych.results.schema import TESTED
from triptych.storage.errors import InputError
from triptych.workflow.cluster_advice import cluster_advice
from triptych.workflow.image_listing import digest_of_files
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
from triptych.workflow.options import (
    as_json,
    checking_json,
    comparison_json,
    dataset_json,
    one_of,
    option,
    options,
    pretraining_json,
)
from triptych.workflow.resources import double_on_retry, gpu_slots, of_decoders
from triptych.workflow.job_states import changed_at
from triptych.workflow.terminal import print_last_words, use_terminal

# Snakemake has read the files of --configfile, but not yet the default one, which users also edit.
try:
    check_files(
        workflow.overwrite_configfiles
        or filter(Path.exists, [PACKAGE_PATH.parent / "config" / "config.yaml"])
    )
except InputError as error:
    sys.exit(f"configuration: {error}")


# Images given without experiments replace the default experiment.
without_default = "images" in config and "experiments" not in config


# A file given with --configfile replaces the default one. Otherwise Snakemake would merge both, and add the arms of the
# default experiment to those of the user.
if not workflow.overwrite_configfiles:

    configfile: workflow.source_path("../../config/config.yaml")


if without_default:
    config.pop("experiments", None)


try:
    settings = effective(load_given(config))
except InputError as error:
    sys.exit(f"configuration: {error}")


# What the terminal shows while jobs run. Internals of Snakemake 9 are read in use_terminal alone.
terminal = use_terminal(workflow, logging.getLogger("snakemake.logging"), len(settings["experiments"]))


def run_is_there(experiment, arm, run):
    """Whether a run is trained, and its weight changes exist or can be extracted."""

    def exist(*outputs):
        paths = [file.apply_wildcards(dict(experiment=experiment, arm=arm, run=run)) for file in outputs]
        return all(exists(path) for path in paths)

    trained = rules.train.output
    return exist(trained.history, trained.predictions, trained.cost) and (
        exist(*rules.extract_weight_delta.output) or exist(trained.trained)
    )


def chosen_run(experiment):
    """The arm, the seed and, with folds, the fold that the decision chose; None if it chose nothing."""
    decision = checkpoints.decide.get(experiment=experiment, part="").output.json
    try:
        return read_decision(Path(decision))["chosen"]
    except InputError as error:
        sys.exit(str(error))


def of_chosen_run(file):
    """This file of the chosen run; none if nothing is chosen, which the commands say."""

    def paths(wildcards):
        chosen = chosen_run(wildcards.experiment)
        if not chosen:
            return []
        run = run_name(chosen["seed"], chosen.get("fold"))
        return filled(f"{RUN}/{file}", arm=[chosen["arm"]], run=[run])

    return paths


def of_chosen_arm(file):
    """This file of the chosen arm's run of the wildcards; none if nothing is chosen."""

    def paths(wildcards):
        chosen = chosen_run(wildcards.experiment)
        return filled(f"{RUN}/{file}", arm=[chosen["arm"]]) if chosen else []

    return paths


def of_model(file):
    """This file of each run whose network is part of the model: the chosen one, or all of its arm for an ensemble."""

    def paths(wildcards):
        if wildcards.experiment not in graph.with_ensemble:
            return of_chosen_run(file)(wildcards)
        return filled(of_chosen_arm(file)(wildcards), run=graph.members(wildcards.experiment))

    return paths


def tested_by_model(wildcards):
    """What holds its logits of test images; none where there are no such images."""
    if graph.mode_of_whole(wildcards) not in TESTED:
        return []
    return of_model(f"{graph.test_logits(wildcards)}.safetensors")(wildcards)


def each(name, files):
    """An option that is given once for each file."""
    return " ".join(option(name, file) for file in files)


def weights_of_model(experiment):
    """The weights in the folder of the model: of the chosen run, or of each member of an ensemble."""
    if experiment not in graph.with_ensemble:
        return [*rules.copy_model.output]
    return filled([*rules.copy_member.output], run=graph.members(experiment))


def files_of_model(experiment):
    """The files of the chosen model."""
    return [*weights_of_model(experiment), *rules.write_model.output]


def chosen_model(wildcards):
    """Its files, if a run is chosen."""
    return files_of_model(wildcards.experiment) if chosen_run(wildcards.experiment) else []


def chosen_models(wildcards):
    """The files of the chosen models of all experiments: of a target, so that one that was deleted is made again."""
    chosen = [name for name in settings["experiments"] if chosen_run(name)]
    return [file for name in chosen for file in collect(files_of_model(name), experiment=name)]


def asked_digest(wildcards):
    """The digest of the user's image files, for which they are checked."""
    experiment = wildcards.experiment
    dataset = graph.experiments[experiment]["dataset"]
    recorded = rules.check_data.output.listing.apply_wildcards(dict(experiment=experiment))
    try:
        return digest_of_files(
            dataset["source"], dataset["path"], str(recorded), is_main_process=workflow.is_main_process
        )
    except InputError as error:
        sys.exit(f"experiments.{experiment}.dataset.path: {error}")


def image_cache(wildcards):
    """The folder of decoded images, beside the downloads; it is no output of a rule, and may be deleted at any time."""
    return str(Path(rules.download_dataset.output.archive).parents[1] / "images")


def options_of_check(wildcards, input, output, resources, threads):
    """Where the record of splits is, and for image files what was checked, for the command that prepares them."""
    logs = folder_of_openings(wildcards)
    if not input.images:
        return options(openings=logs)
    found = {name: input[name] for name in ("images", "problems", "pairs", "duplicates")}
    folders = dict(path=resources.path, cache=resources.cache)
    page = rules.report_data.output.report.apply_wildcards(dict(experiment=wildcards.experiment))
    return options(**found, **folders, num_threads=threads, report=page, openings=logs)


def folder_of_logs():
    """The folder with all logs, with a slash at its end."""
    log = str(rules.open_test.log[0])
    return log[: log.rindex("open_test/{experiment}")]


def folder_of_openings(wildcards):
    """The folder with the logs of openings of an experiment's test images, and the split under which they were opened."""
    return f"{folder_of_logs()}openings/{wildcards.experiment}"


# These files are in no output and no log. Snakemake deletes logs before a job runs again, and rolls back an update().
# A parameter whose function takes `output` reruns nothing.
def log_of_openings(wildcards, ending=""):
    """The log of the openings of a run, which only grows."""
    return f"{folder_of_openings(wildcards)}/{wildcards.arm}/{wildcards.run}{ending}.jsonl"


def record_of_decisions(wildcards):
    """The log of the decisions of an experiment, which only grows; that of a partial report is another."""
    return f"{folder_of_logs()}decisions/{wildcards.part}{wildcards.experiment}.jsonl"


# The questions that rules ask about experiments, with the wildcards of a job.
graph = Graph(settings, run_is_there)

# Snakemake has no default limit for a resource: without this, a plain `snakemake --cores 4` would start more trainings
# than may share one GPU. `nodes` is None only if jobs run on this machine. If a workflow has several modules, the largest
# value is used. A limit from the command line is not changed. These are internals of Snakemake 9, used only here.
runs_here = workflow.is_main_process and workflow.nodes is None
if runs_here:
    limits, own = workflow.global_resources, vars(workflow).get("triptych_gpu_limit")
    if limits.get("gpu") == own:
        limits["gpu"] = workflow.triptych_gpu_limit = max(settings["jobs_per_gpu"], own or 0)


def all_cores(wildcards):
    """As many threads as Snakemake may use on this machine; eight for a job of a cluster. Results do not depend on it."""
    return (runs_here and workflow.resource_settings.cores) or 8


def options_of_run(wildcards):
    """The seed of a run, and its fold if it has one, as options."""
    seed, fold = seed_and_fold(wildcards.run)
    return options(seed=seed, fold=fold)


def recipe_for(command):
    """Return the recipe of a command for the arm (or trunk) of the wildcards, as JSON."""
    return lambda wildcards: recipe_of(graph.arm_of(wildcards)["training"], command)


# The execution does not affect results. Snakemake does not rerun a job for a parameter whose function takes `output`.
def execution_of_arm(wildcards, output):
    return execution_of(graph.arm_of(wildcards)["training"], settings["jobs_per_gpu"])


def execution_of_experiment(wildcards, output):
    return execution_of(graph.experiments[wildcards.experiment]["training"], settings["jobs_per_gpu"])


def in_report(path, caption, category, **labels):
    """Mark a file for Snakemake's report."""
    labels = {"experiment": "{experiment}", **labels}
    return report(path, caption=f"../report/{caption}.rst", category=category, labels=labels)


tables_of = partial(outputs.tables_of, in_report)
figures_by = partial(outputs.figures_by, in_report)


def options_of_files(wildcards, input, output):
    """Return each named file of a job as an option; unnamed files are found in the folder of the experiment."""
    return options(**dict([*input.items(), *output.items()]))


def reports():
    """When each report, by the experiment's folder and the part, was last written; None if there is none."""
    found = {}
    for experiment in settings["experiments"]:
        whole, partial = map(
            Path, expand(rules.report.output.report, experiment=experiment, part=["", "partial/"])
        )
        found |= {(whole.parent, ""): changed_at(whole), (whole.parent, "partial"): changed_at(partial)}
    return found


def not_of_model(path):
    """A file that `keep_weights: model` deletes once nothing needs it any more."""
    return temp(path) if settings["keep_weights"] == "model" else path


wildcard_constraints:
    **graph.constraints,
