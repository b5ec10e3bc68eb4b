"""The notebook for Colab is valid, and its code cells run in order in one Python, but the one that installs."""

import subprocess
import sys

import nbformat
import pytest

from tests import warm
from tests.conftest import ROOT

NOTEBOOK = ROOT / "notebooks" / "triptych_colab.ipynb"


@pytest.fixture(scope="module")
def cells():
    notebook = nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_stored_without_outputs_and_one_cell_installs(cells):
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert [cell.metadata.get("tags") for cell in cells] == [["install"]] + [None] * (len(cells) - 1)
    assert "pip" in cells[0].source and not any("pip" in cell.source for cell in cells[1:])


@pytest.mark.slow
def test_its_cells_run(cells, tmp_path):
    begin = f"import sys; sys.executable = {warm.program()!r}"
    source = "\n\n".join([begin, *(cell.source for cell in cells[1:])])
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "results/digits/report.html" in done.stdout
    assert "results/digits/tables/summary.csv" in done.stdout
    assert (tmp_path / "photos.yaml").is_file()
