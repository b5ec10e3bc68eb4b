"""The effective configuration of an experiment, as a file that the workflow can be given again."""

import json
from pathlib import Path

import yaml

from triptych.configuration.effective import effective
from triptych.configuration.loading import load_configuration
from triptych.storage.files import write_text

HEADER = """\
# What was in effect for the experiment {experiment}, with every default filled in and each arm complete.
# Given to `snakemake --configfile`, this file runs the same experiment again. (`keep_weights` and `jobs_per_gpu`
# decide no result and are not in it.)
"""


def write_configuration(*, experiment: str, configuration: str, output: Path) -> None:
    """Write the effective configuration of an experiment as YAML.

    The file holds the mapping `experiments: {<experiment>: ...}`. Its keys are in the order of `config/README.md`,
    its arms in the order of `configuration`.

    Args:
        experiment: the experiment's name.
        configuration: JSON, the experiment's entry in `triptych.configuration.effective.effective`.
        output: the YAML file to write.

    Raises:
        InputError: `configuration` is not the configuration of an experiment.
    """
    settings = effective(load_configuration({"experiments": {experiment: json.loads(configuration)}}))
    content = yaml.safe_dump({"experiments": settings["experiments"]}, sort_keys=False, allow_unicode=True, width=110)
    write_text(output, HEADER.format(experiment=experiment) + content)
