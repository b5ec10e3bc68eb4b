"""The tables that `predict` and `evaluate` write for a user. No rule writes them, so they are not in the schema."""

from triptych.results.schema import CLASS, PREDICTED, Table, number, text, whole

OF_MODEL = (
    PREDICTED,
    number("probability", "Probability of the predicted class, 0 to 1, as in predictions.csv.", optional=True),
    number("calibrated", "The same with the model’s temperature; empty where it has none.", optional=True),
    whole("unsure", "1 if that is below the model’s threshold, else 0; empty where it has none.", optional=True),
)
OF_FILES = Table(
    "predictions",
    "predict",
    "the prediction of a model for image files",
    "an image",
    (text("path", "The file as it was given; in a folder ./ and its path from there."), *OF_MODEL),
    may_be_empty=True,
)
OF_LABELLED = Table(
    "evaluated",
    "evaluate",
    "the prediction of a model for labelled image files",
    "an image",
    (text("path", "./ and its path from the folder."), CLASS, *OF_MODEL),
)
