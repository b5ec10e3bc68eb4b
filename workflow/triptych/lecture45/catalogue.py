"""The figures that only experiments with `claims: lecture45` have (`triptych.figures.catalogue`)."""

from triptych.figures.catalogue import Figure
from triptych.lecture45 import schema
from triptych.results.schema import ARMS, HISTORY, SIZES

FULL_RUN = Figure(
    "full_run",
    "plot_full_run",
    "Test accuracy beside the fullest run",
    "Solid: this run. Dashed: the fullest run that the project has made. Both by the number of training images that "
    "were seen, so that a run on few images and one on many can be told apart from two recipes.",
    (schema.FULL_RUN, ARMS),
    category="The lecture",
    label="beside the fullest run",
    of_claims=True,
)
NOTEBOOK_LOSS = Figure(
    "notebook_loss",
    "plot_notebook_loss",
    "Test loss as it is, and as the notebook draws it",
    "Fault 2. Solid: the true test loss. Dashed: what the notebook calls so: the train loss, summed over all training "
    "images and divided by the number of test images, is added. It follows the train loss, and so can hide where the "
    "true one rises.",
    (HISTORY, ARMS, SIZES),
    category="The lecture",
    label="the notebook's test loss",
    of_claims=True,
)
NOTEBOOK_KERNELS = Figure(
    "notebook_kernels",
    "plot_notebook_kernels",
    "One weight change in the notebook’s colours and on one signed scale",
    "Faults 11 and 12. The same three arrays twice. Above, each picture is stretched to its own range: the change "
    "looks as strong as the weights. Below, all three share one scale whose zero is white: what is white there did "
    "not change by as much as the scale can show.",
    (ARMS,),
    category="The lecture",
    label="the notebook's kernels",
    arm="finetune",
    of_claims=True,
)

FIGURES = {figure.name: figure for figure in (FULL_RUN, NOTEBOOK_LOSS, NOTEBOOK_KERNELS)}
"""By name, the most important first."""
