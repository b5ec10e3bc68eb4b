"""The tables that only experiments with `claims: lecture45` have (`triptych.results.schema`)."""

from triptych.results.schema import ARM, DEVICE, DEVICE_NAME, EPOCH, PERCENT, SEED, Table, number, text, whole

CLAIMS = Table(
    "claims",
    "check_claims",
    "every claim of the lecture, what this run gave, the verdict",
    "a claim",
    (
        text("at", "Minute and second of the film.", "film"),
        text("claim", "What the lecturer says; net1 is scratch, net2 finetune, net3 last_layer."),
        text("number", "What this experiment gave.", "this run", optional=True),
        text(
            "verdict",
            "agrees and disagrees follow from a fixed rule for each claim (triptych/lecture45/claims.py). not tested "
            "here: this run cannot say, for the reason beside it.",
        ),
        text("reason", "What decided."),
    ),
    category="The lecture",
    of_claims=True,
)
FAULTS = Table(
    "faults",
    "check_claims",
    "the 17 faults of the lecture’s notebook, and what each changes",
    "a fault",
    (
        whole("fault", "Its number in the list."),
        text("notebook", "What the lecture’s published notebook does.", "the notebook"),
        text("here", "What is done here."),
        text("effect", "What it changes in this run, where that can be computed or measured."),
        number("value", "The number in the effect.", optional=True),
        text("unit", "The unit of the value.", optional=True),
    ),
    category="The lecture",
    of_claims=True,
)
COST_BACKWARD = Table(
    "cost_backward",
    "time_backward",
    "measured speed with and without the unused backward pass",
    "the one timing",
    (
        DEVICE,
        DEVICE_NAME,
        whole("batch_size", "Images in a batch."),
        number(
            "images_per_second_notebook",
            "Training images a second of the last layer with gradients for the whole network: the median.",
        ),
        number("images_per_second_here", "The same with gradients for the head alone."),
        number("ratio", "Here over the notebook: the median of neighbouring pairs."),
        number("ratio_low", "The smallest of these ratios."),
        number("ratio_high", "The largest of them."),
        whole("n", "Measurements of each."),
    ),
    category="The lecture",
    label="cost of the unused backward pass",
    measured=True,
    needs_runs=False,
    of_claims=True,
)
FULL_RUN = Table(
    "full_run",
    "compare_full_run",
    "test accuracy by epoch, here and in the fullest run",
    "an epoch of a run",
    (
        text("run", "this run, or full run: the fullest run of the lecture that the project has made."),
        ARM,
        SEED,
        EPOCH,
        whole("images_seen", "Training images seen until then: epochs x training images."),
        number("test_accuracy", "Accuracy on the test images.", PERCENT),
    ),
    category="The lecture",
    label="the fullest run",
    of_claims=True,
)
FULL_RUN_SETTINGS = Table(
    "full_run_settings",
    "compare_full_run",
    "in what this run and the fullest one differ",
    "a setting",
    (
        text("setting", "What may make two runs differ."),
        text("this_run", "Its value in this experiment.", optional=True),
        text("full_run", "Its value in the fullest run that the project has made.", "fullest run", optional=True),
    ),
    category="The lecture",
    label="the fullest run, settings",
    of_claims=True,
    may_be_empty=True,
)

TABLES = {table.name: table for table in (CLAIMS, FAULTS, COST_BACKWARD, FULL_RUN, FULL_RUN_SETTINGS)}
"""By name, in the order of the report's list."""
