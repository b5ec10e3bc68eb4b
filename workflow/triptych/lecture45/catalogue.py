"""The figures that only experiments with `claims: lecture45` have (`triptych.figures.catalogue`)."""

from triptych.figures.catalogue import Figure
from triptych.lecture45 import schema
from triptych.results.schema import ARMS, HISTORY, SIZES

FULL_RUN = Figure(
    "full_run",
    "plot_full_run",
    "Test accuracy of this run and of the full run",
    "Solid: this run. Dashed: the stored full run of the lecture. The x axis is the number of training images seen, so "
    "that runs on few and on many images can be compared.",
    (schema.FULL_RUN, ARMS),
    category="The lecture",
    label="full run",
    of_claims=True,
)
NOTEBOOK_LOSS = Figure(
    "notebook_loss",
    "plot_notebook_loss",
    "Test loss: the true one and the notebook’s",
    "Fault 2. Solid: the true test loss. Dashed: the notebook’s test loss, which adds the train loss, summed over all "
    "training images and divided by the number of test images. It follows the train loss and can hide a rise of the "
    "true test loss: 15:41 calls net1’s falling.",
    (HISTORY, ARMS, SIZES),
    category="The lecture",
    label="the notebook's test loss",
    of_claims=True,
)
NOTEBOOK_KERNELS = Figure(
    "notebook_kernels",
    "plot_notebook_kernels",
    "Weight changes in the notebook’s colours and on one signed scale",
    "Faults 11 to 13. The same arrays twice: the first convolution, and filter 0 of the second. Above, in the "
    "notebook’s colours (RGB for conv1, grey for the second), each picture is stretched to its own range: the change "
    "looks as strong as the weights. Below, all three share one signed scale; zero is grey in colour pictures, "
    "else white.",
    (ARMS,),
    category="The lecture",
    label="the notebook's kernels",
    arm="finetune",
    of_claims=True,
)

FIGURES = {figure.name: figure for figure in (FULL_RUN, NOTEBOOK_LOSS, NOTEBOOK_KERNELS)}
"""By name, the most important first."""
