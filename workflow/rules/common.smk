# What all rule files share. The checked configuration, the environment of the commands, and small look-ups.
# Needs: config. Makes: settings (the effective configuration), experiment_setting, arm_setting, option, code, ...
import json
import os
import re
import shlex
import sys
from functools import cache, reduce
from operator import getitem
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

from triptych.configuration.cached_features import trunk_of, trunks
from triptych.workflow.cluster_advice import cluster_advice
from triptych.storage.code_digest import code_digest
from triptych.configuration.effective import compared_networks, effective, resolved_arms
from triptych.configuration.loading import load_configuration
from triptych.configuration.regime import phases_of
from triptych.configuration.given_files import check_files, check_pathvars
from triptych.configuration.downloads import downloads, pretrained_architectures, weights_download
from triptych.configuration.sources.registry import source_of
from triptych.figures import catalogue
from triptych.results import schema
from triptych.storage.errors import InputError
from triptych.workflow import captions
from triptych.workflow.named_modules import (
    modules_of_backbones,
    modules_of_networks,
    modules_of_section,
    modules_of_source,
)
from triptych.workflow.options import dataset_json, official_flags

try:
    check_files(workflow.overwrite_configfiles)
    # `pathvars` is a key of Snakemake's own: folders that the user chooses, wherever they are
    check_pathvars(config.get("pathvars", {}))
    settings = effective(load_configuration({key: config[key] for key in config if key != "pathvars"}))
except InputError as error:
    sys.exit(f"configuration: {error}")

experiments = settings["experiments"]

# Every file that is downloaded, by its name. It is named after its checksum, so that experiments share
# it, and nothing depends on its address.
files_to_download = downloads(experiments)

# Snakemake does not limit a resource that nobody limits: without this, a plain `snakemake --cores 4` would start more
# trainings than may share one GPU. `nodes` is None only where jobs run on this machine. Of several modules in one workflow the
# largest value holds, and a limit that the caller gave is left as it is. Internals of Snakemake 9, in this one place.
if workflow.is_main_process and workflow.nodes is None:
    limits, own = workflow.global_resources, vars(workflow).get("triptych_gpu_limit")
    if limits.get("gpu") == own:
        limits["gpu"] = workflow.triptych_gpu_limit = max(settings["jobs_per_gpu"], own or 0)


# What the package reads of the fullest run of the lecture, beside its code.
FULL_RUN_FILES = [
    f"../../benchmarks/lecture45/{file}"
    for file in ("about.json", "arms.csv", "cost.csv", "history.csv", "sizes.csv")
]

# Keys of `training` that are no parameters of a rule.
DECIDES_NO_RESULT = ["cuda_graphs", "residency", "checkpoint_minutes"]


def one_of(values):
    """A wildcard constraint that allows these values and nothing else; without values, nothing at all."""
    return "|".join(sorted({re.escape(str(value)) for value in values})) or "(?!)"


def value_at(settings, path):
    """What stands at `path` (keys joined by slashes). Snakemake's `lookup` walks over all settings for each value, which
    takes time as the square of the number of arms."""
    return reduce(getitem, path.split("/"), settings)


def experiment_setting(path):
    """The value at `path` of the wildcards' experiment."""
    return lambda wildcards: value_at(experiments[wildcards.experiment], path)


def arm_of(wildcards):
    """The settings of the wildcards' arm, or of an arm with the wildcards' trunk."""
    arms = experiments[wildcards.experiment]["arms"]
    return trunks(arms)[wildcards.trunk] if hasattr(wildcards, "trunk") else arms[wildcards.arm]


def arm_setting(path):
    """The value at `path` of the wildcards' arm (or trunk), with what the experiment gives filled in."""
    return lambda wildcards: value_at(arm_of(wildcards), path)


def gpu_slots(device):
    """One GPU; none where the device is the CPU, so that no job waits for what it does not use."""
    return lambda wildcards: 0 if device(wildcards) == "cpu" else 1


def twice_when_tried_again(megabytes):
    """The memory of a job whose need depends on the configuration: SLURM ends a job that takes more than it asked for.
    Not more than twice: a job that asks for more than any node has waits for ever."""
    return lambda wildcards, attempt: megabytes * min(attempt, 2)


def as_text(setting):
    """A setting as text: Snakemake rounds a resource that is a number to a whole one."""
    return lambda wildcards: str(setting(wildcards))


def as_json(value):
    """Sorted JSON, so that the same settings always give the same command."""
    return json.dumps(value, sort_keys=True)


def arms_json(wildcards):
    """Every arm of the experiment with all that decides a result, in the order of the configuration."""
    arms = resolved_arms(experiment_of(wildcards))
    for arm in arms:
        arm["training"] = {
            key: arm["training"][key] for key in arm["training"] if key not in DECIDES_NO_RESULT
        }
    return as_json(arms)


def networks_json(wildcards):
    """The networks of all arms, and those that they are compared with on paper."""
    return as_json(compared_networks(experiments[wildcards.experiment]))


def option(name, value):
    """`--name value` for a shell command, or nothing where there is no value."""
    text = "" if value is None else str(value)
    return f"{name} {shlex.quote(text)}" if text else ""


def training_option(name, key):
    """`--name value` of the wildcards' arm, where its recipe has such a value."""
    return lambda wildcards: option(name, arm_of(wildcards)["training"][key])


def training_flag(name, key):
    """`name`, a flag of a command, where the recipe of the wildcards' arm says so."""
    return lambda wildcards: name * arm_of(wildcards)["training"][key]


def experiment_flag(name, key):
    """`name`, a flag of a command, where the recipe of the wildcards' experiment says so."""
    return lambda wildcards: name * experiments[wildcards.experiment]["training"][key]


def features_of_arm(file):
    """A file of the cached features that the wildcards' arm trains its head on, if any."""

    def place(wildcards):
        trunk = trunk_of(arm_of(wildcards))
        return f"<results>/{{experiment}}/features/{trunk}/{file}" if trunk else []

    return place


def weights_of_trunk(wildcards):
    architecture = arm_of(wildcards)["model"]["architecture"]
    return f"<results>/{{experiment}}/weights/{architecture}.safetensors"


def pretrained_weights(wildcards):
    """The weights file that an arm starts from: none for random weights."""
    arm = experiments[wildcards.experiment]["arms"][wildcards.arm]
    file = f"<results>/{{experiment}}/weights/{arm['model']['architecture']}.safetensors"
    return file if arm["weights"] == "pretrained" else []


def pretrained_of_experiment(wildcards):
    """The weights, and the history of their making, of every network that starts from pretrained ones."""
    experiment = experiment_of(wildcards)
    files = ["<results>/{experiment}/weights/{architecture}.safetensors"]
    if experiment["weights"]["source"] == "letters":
        files.append("<results>/{experiment}/weights/{architecture}_history.csv")
    return [
        file.replace("{architecture}", architecture)
        for architecture in pretrained_architectures(experiment)
        for file in files
    ]


def with_weights_from(source):
    """The experiments whose pretrained weights have this source, as a wildcard constraint."""
    return one_of(name for name in experiments if experiments[name]["weights"]["source"] == source)


# A download is known by its checksum: where it comes from does not affect results. Snakemake reruns no job for a parameter
# whose function takes `output`.
def download_option(name, key):
    """`--name value` of the wildcards' file, where there is a value."""
    return lambda wildcards, output: option(name, getattr(files_to_download[wildcards.file], key))


def download_urls(wildcards, output):
    """The addresses of the wildcards' file, as JSON."""
    return json.dumps(files_to_download[wildcards.file].urls)


def download_sha256(wildcards):
    return files_to_download[wildcards.file].sha256


# Downloads are not ancient(): if one ran although its file exists, Snakemake would check nothing that follows it for missing
# output or changes, and then skip all of it (issue 4166 of Snakemake).
def dataset_files(wildcards):
    """The files that a data set is read from, if any."""
    needed = source_of(experiments[wildcards.experiment]["dataset"]).downloads()
    return [f"<resources>/datasets/{download.file}" for download in needed]


def of_experiment(function):
    """What a function makes of the settings of the wildcards' experiment."""
    return lambda wildcards: function(experiments[wildcards.experiment])


def of_weights(key):
    """What the download of an architecture's weights has at `key`."""
    return lambda wildcards: getattr(
        weights_download(experiments[wildcards.experiment]["weights"], wildcards.architecture), key
    )


def downloaded_weights(wildcards):
    """The file that holds an architecture's weights."""
    return f"<resources>/weights/{of_weights('file')(wildcards)}"


def code(module, *data_files, named=None):
    """The digest of the code that a command runs, as a parameter, so that a change of that code runs it again.

    `named`: a function of the wildcards that gives the modules which their settings name."""
    if named is None:
        return code_digest(f"triptych.{module}", *data_files)
    return lambda wildcards: code_digest(f"triptych.{module}", *data_files, named=named(wildcards))


def backbone(architecture):
    """The module that builds the architecture which a function of the wildcards gives."""
    return lambda wildcards: modules_of_backbones([architecture(wildcards)])


def run_is_there(experiment, arm, seed):
    """Whether a run is trained, and what is taken from its weights is there or can be."""

    def there(*outputs):
        places = [file.apply_wildcards(dict(experiment=experiment, arm=arm, seed=seed)) for file in outputs]
        return all(exists(place) for place in places)

    trained = rules.train.output
    return there(trained.history, trained.predictions, trained.cost) and (
        there(*rules.extract_weight_delta.output)
        or there(trained.trained, rules.initialise_model.output.initial)
    )


@cache
def runs_there(experiment):
    """The seeds of each arm whose runs are there; once found it stays so, whatever is made meanwhile."""
    arms, seeds = experiments[experiment]["arms"], experiments[experiment]["seeds"]
    found = {arm: [seed for seed in seeds if run_is_there(experiment, arm, seed)] for arm in arms}
    if not any(found[arm] for arm in arms if arms[arm]["role"] != "control"):
        sys.exit(
            f"{experiment}: no run is there that a partial report could be made of (controls do not count)"
        )
    return {arm: found[arm] for arm in arms if found[arm]}


def seeds_of_runs(wildcards):
    """The seeds of each arm's runs, by arm: all that are configured, or for a partial report those that are there."""
    experiment = experiments[wildcards.experiment]
    if getattr(wildcards, "part", ""):
        return runs_there(wildcards.experiment)
    return dict.fromkeys(experiment["arms"], experiment["seeds"])


def experiment_of(wildcards):
    """The settings of the wildcards' experiment with those arms that have runs."""
    experiment = experiments[wildcards.experiment]
    return {**experiment, "arms": {arm: experiment["arms"][arm] for arm in seeds_of_runs(wildcards)}}


def first_seeds(wildcards):
    """The first seed of each arm: one picture an arm is enough."""
    return {arm: seeds[0] for arm, seeds in seeds_of_runs(wildcards).items()}


def missing_option(wildcards):
    """For a partial report the runs that it lacks, as `--missing` with the seeds by arm."""
    there, experiment = seeds_of_runs(wildcards), experiments[wildcards.experiment]
    missing = {
        arm: [seed for seed in experiment["seeds"] if seed not in there.get(arm, [])]
        for arm in experiment["arms"]
    }
    return option("--missing", json.dumps(missing) if wildcards.part else None)


def of_runs(pattern):
    """The file `pattern` of every run of the wildcards' experiment (and part)."""
    return lambda wildcards: [
        file
        for arm, seeds in seeds_of_runs(wildcards).items()
        for file in expand(pattern, arm=arm, seed=seeds, allow_missing=True)
    ]


def of_models(pattern):
    """The file `pattern` of every network and input size that the arms of the wildcards' experiment use."""

    def files(wildcards):
        models = [arm["model"] for arm in experiment_of(wildcards)["arms"].values()]
        pairs = dict.fromkeys((model["architecture"], model["input_size"]) for model in models)
        return [
            file
            for architecture, input_size in pairs
            for file in expand(pattern, architecture=architecture, input_size=input_size, allow_missing=True)
        ]

    return files


def kernels_of_first_seeds(wildcards):
    """The kernels of every arm at its first seed, since the scale is common to all arms."""
    return [
        f"<results>/{{experiment}}/runs/{arm}/seed{seed}/kernels.safetensors"
        for arm, seed in first_seeds(wildcards).items()
    ]


def predictions_of_arm(wildcards):
    pattern = "<results>/{experiment}/runs/{arm}/seed{seed}/predictions.safetensors"
    return expand(pattern, seed=seeds_of_runs(wildcards)[wildcards.arm], allow_missing=True)


def place_of(table, part="{part}"):
    """Where a declared table lies; `part` counts only where a partial report has its own."""
    return f"<results>/{{experiment}}/{part * table.in_partial}{table.file}"


def in_report(place, caption, category, **labels):
    """A file that Snakemake's report shows."""
    labels = {"experiment": "{experiment}", **labels}
    return report(place, caption=f"../report/{caption}.rst", category=category, labels=labels)


def tables_of(rule):
    """The tables that a rule writes, by name."""
    tables = {table.name: (table, place_of(table)) for table in schema.tables_of(rule)}
    return {
        name: (
            in_report(place, "tables", table.category, table=table.label or name) if table.category else place
        )
        for name, (table, place) in tables.items()
    }


def tables_for(command):
    """The tables that a command draws its figures from, by name."""
    figure = catalogue.figures_of(command)[0]
    return {table.name: place_of(table, "{part}" * figure.in_partial) for table in figure.tables}


def figures_by(command):
    """The figures that a command draws: `svg` and `png`, where there are several of a job behind their names."""
    figures = {figure.stem: figure for figure in catalogue.figures_of(command)}
    files = {}
    for stem, figure in figures.items():
        place = f"<results>/{{experiment}}/{'{part}' * figure.in_partial}figures/{stem}"
        labels = {"figure": figure.shown_as, **({"arm": figure.arm} if figure.arm else {})}
        name = f"{figure.name}_" if len(figures) > 1 else ""
        files[f"{name}svg"] = in_report(f"{place}.svg", "figure", figure.category, **labels)
        files[f"{name}png"] = f"{place}.png"
    return files


# Captions are parameters, but a new wording makes nothing anew: Snakemake reruns no job for a parameter whose function takes
# `output`.
def tables_caption(rule):
    return lambda wildcards, output: captions.tables_caption(rule)


def figures_caption(command):
    return lambda wildcards, output: captions.figures_caption(command, dict(wildcards.items()))


def options_of_files(wildcards, input, output):
    """Each named file of a job as the option of its name; what has no name is found in the experiment's folder."""
    return options(**dict([*input.items(), *output.items()]))


def options(**values):
    """`--name value` for each, one a line."""
    return " \\\n            ".join(
        option(f"--{name.replace('_', '-')}", value) for name, value in values.items()
    )


def figures_of(wildcards):
    """Every figure of an experiment, as SVG."""
    references = experiments[wildcards.experiment]["reference_models"]
    figures = catalogue.figures_with(claims=has_claims(wildcards), references=bool(references))
    return [
        f"<results>/{{experiment}}/{'{part}' * figure.in_partial}figures/{name}.svg"
        for figure in figures
        for name in figure.names(seeds_of_runs(wildcards))
    ]


def has_claims(wildcards):
    """Whether the lecture's claims are tested: only where every run is there."""
    return experiments[wildcards.experiment]["claims"] != "none" and not wildcards.part


def tables_of_experiment(wildcards):
    """Every table of an experiment that a reader downloads."""
    tables = schema.EXPERIMENT_TABLES.values()
    return [place_of(table) for table in tables if has_claims(wildcards) or not table.of_claims]


def last_layer_setting(path):
    """The value at `path` of the arm that is the lecture's net3."""
    return lookup(dpath=f"experiments/{{experiment}}/arms/last_layer/{path}", within=settings)


def kept_if(kept):
    """Mark weight files that are to be deleted once nothing needs them any more (`keep_weights`)."""
    return (lambda path: path) if kept else temp


wildcard_constraints:
    experiment=one_of(experiments),
    part=one_of(["", "partial/"]),  # of a report: the whole, or what there is
    arm=one_of(arm for experiment in experiments.values() for arm in experiment["arms"]),
    trunk=one_of(name for experiment in experiments.values() for name in trunks(experiment["arms"])),
    seed=one_of(seed for experiment in experiments.values() for seed in experiment["seeds"]),
    architecture=one_of(
        arm["model"]["architecture"]
        for experiment in experiments.values()
        for arm in experiment["arms"].values()
    ),
    input_size="[0-9]+",
    file=one_of(files_to_download),
    quantity=one_of(figure.name for figure in catalogue.figures_of("plot_curves")),
