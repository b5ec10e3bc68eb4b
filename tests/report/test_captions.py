"""The captions for `snakemake --report` render with the values that rules give them, and are sound reStructuredText."""

from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
from docutils.core import publish_parts

from triptych.report.results import TABLES

CAPTIONS = Path(__file__).resolve().parents[2] / "workflow" / "report"


@pytest.mark.parametrize("caption", sorted(path.name for path in CAPTIONS.glob("*.rst")))
@pytest.mark.parametrize("quantity", ["train_loss", "test_loss", "test_accuracy"])
def test_a_caption_renders_without_a_warning(caption, quantity):
    snakemake = SimpleNamespace(
        wildcards=SimpleNamespace(experiment="my_digits", arm="last_layer", quantity=quantity),
        params=SimpleNamespace(seed=3),
        config=SimpleNamespace(experiments={"my_digits": SimpleNamespace(arms={"scratch": {}, "last_layer": {}})}),
    )
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    text = environment.from_string((CAPTIONS / caption).read_text()).render(snakemake=snakemake)
    # halt_level 2: a warning is an error
    html = publish_parts(text, writer="html", settings_overrides={"halt_level": 2, "report_level": 2})["html_body"]
    assert "my_digits" in html


def test_the_caption_of_tables_explains_every_table():
    text = (CAPTIONS / "tables.rst").read_text()
    assert [line for line in text.splitlines() if line in TABLES] == list(TABLES)
