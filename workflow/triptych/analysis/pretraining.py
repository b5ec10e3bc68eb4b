"""Computed operations of pretraining on letters, which no arm's cost contains."""

from triptych.results.experiment import Results

PASSES = 3
"""Forward passes that an image takes in training: forward, backward for the activations, backward for the weights."""


def pretraining_macs(results: Results, architecture: str) -> float | None:
    """Return the multiply-accumulates of training on the letters, its evaluations left out.

    The network has the head for the arms' classes, not for the 26 letters, which hardly changes the number. None where
    no arm has the network at the size of the letters, which is that of the experiment.
    """
    settings, models = results.configuration["weights"], results.tables["models"]
    size = results.configuration["model"]["input_size"]
    own = models[(models["architecture"] == architecture) & (models["input_size"] == size)]
    if own.empty:
        return None
    return PASSES * float(own["macs"].iloc[0]) * float(settings["train_images"]) * float(settings["epochs"])
