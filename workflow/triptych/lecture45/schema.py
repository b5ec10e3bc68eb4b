"""The tables that only experiments with `claims: lecture45` have (`triptych.results.schema`)."""

from triptych.results.schema import ARM, DEVICE, DEVICE_NAME, EPOCH, PERCENT, SEED, Table, number, text, whole

CLAIMS = Table(
    "claims",
    "check_claims",
    "the lecture’s claims, this run’s results and the verdicts",
    "a claim",
    (
        text("at", "Minute and second of the film.", "film"),
        text("claim", "What the lecturer says; net1 is scratch, net2 finetune, net3 last_layer."),
        text("number", "The result of this run.", "this run", optional=True),
        text(
            "verdict",
            "A fixed rule for each claim decides (triptych/lecture45/claims.py). undecided: the interval or the noise "
            "allows either. not tested here: this run cannot tell; the reason says why.",
        ),
        text(
            "reason",
            "What decided the verdict: each part of the claim with yes, no, open or not measured. A claim needs each "
            "of its parts.",
        ),
        text("different", "How this run is not the lecture’s, for claims about the lecture’s run.", optional=True),
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
        whole("fault", "The number of the fault."),
        text("notebook", "What the lecture’s published notebook does.", "the notebook"),
        text("here", "What is done here."),
        text("effect", "What the fault changes in this run, if that can be computed or measured."),
        number("value", "The main number of the effect.", optional=True),
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
            "Training images a second of the last layer with gradients for the whole network; median.",
        ),
        number("images_per_second_here", "The same with gradients for the head only; median."),
        number("ratio", "Speed here over speed as in the notebook; median of neighbouring pairs."),
        number("ratio_low", "The smallest ratio."),
        number("ratio_high", "The largest ratio."),
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
    "test accuracy by epoch, in this run and in the full run",
    "an epoch of a run",
    (
        text("run", "this run, or full run: the stored run of the lecture on all images."),
        ARM,
        SEED,
        EPOCH,
        whole("images_seen", "Training images seen until then: epochs x training images."),
        number("test_accuracy", "Accuracy on the test images.", PERCENT),
    ),
    category="The lecture",
    label="full run",
    of_claims=True,
)
FULL_RUN_SETTINGS = Table(
    "full_run_settings",
    "compare_full_run",
    "settings of this run and of the full run",
    "a setting",
    (
        text("setting", "A setting in which the two runs may differ."),
        text("this_run", "Its value in this run.", optional=True),
        text("full_run", "Its value in the full run.", optional=True),
    ),
    category="The lecture",
    label="full run, settings",
    of_claims=True,
    may_be_empty=True,
)
FULL_RUN_VERDICTS = Table(
    "full_run_verdicts",
    "compare_full_run",
    "verdicts of the rules of different days on the full run",
    "a claim by the rules of a day",
    (
        text("rules", "The day of the rules."),
        text("at", "Minute and second of the film.", "film"),
        text("claim", "What the lecturer says."),
        text("verdict", "The verdict of these rules on the stored full run."),
        text("reason", "What decided the verdict."),
    ),
    category="The lecture",
    label="full run, verdicts",
    of_claims=True,
)

TABLES = {
    table.name: table for table in (CLAIMS, FAULTS, COST_BACKWARD, FULL_RUN, FULL_RUN_SETTINGS, FULL_RUN_VERDICTS)
}
"""By name, in the order of the report's list."""
