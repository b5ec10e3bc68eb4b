"""`triptych results`: the paths of what is there, and nothing that is not."""

from pathlib import Path

import pytest

from tests.console.conftest import configuration
from triptych.console.__main__ import main


@pytest.fixture
def unfinished(here):
    folder = Path("results/tiny")
    (folder / "data").mkdir(parents=True)
    (folder / "config.yaml").write_text("experiments: {}\n")
    (folder / "runs/all/seed0").mkdir(parents=True)
    (folder / "runs/all/seed0/history.csv").touch()
    configuration(here)
    return folder


@pytest.mark.parametrize("call", [[], ["tiny.yaml"], ["results/tiny"], ["results/tiny/"]])
def test_an_unfinished_experiment_says_how_far_it_came(call, unfinished, capsys):
    assert main(["results", *call]) == 0
    assert capsys.readouterr().out == (
        "results/tiny: not finished (1 run trained)\n  results/tiny/config.yaml  the configuration in effect\n"
    )


@pytest.mark.parametrize("call", [[], ["tiny.yaml"]])
def test_without_results_it_says_how_to_make_them(call, here, capsys):
    configuration(here)
    assert main(["results", *call]) == 1
    assert capsys.readouterr().err.endswith(
        f"there are no results yet; run the experiment: triptych run {(call or ['CONFIG'])[0]}\n"
    )


def test_a_folder_of_images_is_asked_by_its_name(photos, capsys):
    folder = Path("results/photos")
    (folder / "data").mkdir(parents=True)
    (folder / "config.yaml").touch()
    assert main(["results", "photos"]) == 0
    assert capsys.readouterr().out.startswith("results/photos: not finished (0 runs trained)")
