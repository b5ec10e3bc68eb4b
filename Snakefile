# Triptych: one network trained three ways, side by side. The table of contents of the workflow.
# The work is done by the package in workflow/triptych; the rules wire its commands and files together.
from snakemake.utils import min_version

min_version("9.10")


# For --sdm apptainer: the image that envs/container.def makes, in the folder where the workflow runs.
container: "triptych.sif"


pathvars:
    benchmarks="<logs>/benchmarks",


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


# What only experiments with `claims` have: the rules of each lecture.
for wing in WINGS:

    include: f"workflow/rules/{wing}.smk"


# The default target, as the first rule that is not included. To say so would take that role also in a workflow that uses
# this one as a module.
rule all:
    input:
        collect("<results>/{experiment}/report.html", experiment=settings["experiments"]),
        collect("<results>/{experiment}/manifest.json", experiment=settings["experiments"]),
        collect("<results>/{experiment}/data/report.html", experiment=graph.with_image_files),
        chosen_models,


# Of what this call makes. If there is nothing to do, Snakemake calls no hook.
reports_before = reports()


onsuccess:
    if terminal:
        terminal.end()
        print_last_words(report for report, when in reports().items() if when != reports_before[report])


onerror:
    # `log` is a path, or with newer versions a list of paths
    print(cluster_advice(*map(Path, [log] if isinstance(log, str) else log)), end="", file=sys.stderr)
