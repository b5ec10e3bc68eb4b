"""The notebook for Colab is valid, and its code cells run in order in one Python, but the one that installs.

`triptych estimate` is tested here as a whole: what it says, and that it writes nothing.
"""

import re
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
    """All cells, of an experiment with one seed."""
    begin = f"import sys; sys.executable = {warm.program()!r}"
    sources = [cell.source.replace("{epochs: 1}", "{epochs: 1}\n    seeds: [0]") for cell in cells[1:]]
    assert sum("seeds: [0]" in source for source in sources) == 1
    estimating = next(place for place, source in enumerate(sources) if 'triptych("estimate"' in source)
    sources.insert(estimating + 1, 'assert not Path("results").exists() and not Path("logs").exists()')
    source = "\n\n".join([begin, *sources])
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    estimated = r"all \d+ jobs on \d+ cores?: about .* without downloads; memory \d\.\d GB, disk \d\.\d GB"
    assert re.search(estimated, done.stdout)
    assert "results/digits/report.html" in done.stdout
    assert "results/digits/tables/summary.csv" in done.stdout
    assert (tmp_path / "photos.yaml").is_file()
