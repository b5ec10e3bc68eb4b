"""The captions for `snakemake --report` render with the values that rules give them, and are sound reStructuredText."""

from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
from docutils.core import publish_parts

from triptych.wings import FIGURES, TABLES, figures_of, tables_of
from triptych.workflow.captions import figures_caption, tables_caption

CAPTIONS = Path(__file__).resolve().parents[2] / "workflow" / "report"
COMMANDS = sorted({figure.command for figure in FIGURES.values()})
RULES = sorted({table.rule for table in TABLES.values() if table.category})


def html(file: str, caption: str = "", **wildcards: str) -> str:
    """A caption as Snakemake's report shows it."""
    snakemake = SimpleNamespace(
        wildcards=SimpleNamespace(experiment="my_digits", **wildcards),
        params=SimpleNamespace(caption=caption),
        config=SimpleNamespace(experiments={"my_digits": SimpleNamespace(arms={"scratch": {}, "last_layer": {}})}),
    )
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    text = environment.from_string((CAPTIONS / file).read_text()).render(snakemake=snakemake)
    # halt_level 2: a warning is an error
    return publish_parts(text, writer="html", settings_overrides={"halt_level": 2, "report_level": 2})["html_body"]


def test_the_caption_of_the_workflow_names_its_experiments():
    assert "my_digits" in html("workflow.rst")


@pytest.mark.parametrize("rule", RULES)
def test_the_caption_of_tables_explains_each_column(rule):
    text = html("tables.rst", tables_caption(rule))
    assert "my_digits" in text
    for table in tables_of(rule):
        for column in table.columns:
            assert (f">{column.name}<" in text) or not table.category


@pytest.mark.parametrize("command", COMMANDS)
def test_the_caption_of_figures_says_what_is_drawn(command):
    for figure in figures_of(command):
        wildcards = {figure.wildcard: figure.name} if figure.wildcard else {}
        text = html("figure.rst", figures_caption(command, wildcards), arm="last_layer")
        assert "my_digits" in text and "last_layer" in text
        assert figure.caption[:20] in text.replace("\n", " ")
        others = {other.caption for other in figures_of(command) if figure.wildcard} - {figure.caption}
        assert not [caption for caption in others if caption[:20] in text]
    assert "arm" not in html("figure.rst", "")
