"""`images=photos` is one experiment named after the folder; what is no path, and experiments beside it, are refused."""

import re

import pytest

from triptych.configuration.effective import effective
from triptych.configuration.given_files import load_given
from triptych.configuration.given_images import experiment_name
from triptych.configuration.values import NAME_PATTERN
from triptych.storage.errors import InputError


@pytest.mark.parametrize(
    ("path", "name", "source"),
    [
        ("photos", "photos", "folder"),
        ("./2024", "2024", "folder"),
        ("/mnt/My Photos/", "My-Photos", "folder"),
        ("data/photos.csv", "photos", "table"),
        ("Photos.CSV", "Photos", "table"),
    ],
)
def test_images_are_one_experiment(path, name, source):
    settings = effective(load_given({"images": path, "keep_weights": "all", "pathvars": {"results": "out"}}))
    ((found, experiment),) = settings["experiments"].items()
    assert (found, experiment["dataset"]["source"], experiment["dataset"]["path"]) == (name, source, path)
    assert list(experiment["arms"]) == ["scratch", "finetune", "last_layer"]
    assert settings["keep_weights"] == "all"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Übung-Süß", "Ubung-Su"),
        ("../x/..hidden_", "hidden"),
        ("$(touch pwned)", "touch-pwned"),
        ("写真", "images"),
        ("_", "images"),
        ("a" * 100, "a" * 64),
        ("v1.5", "v1-5"),
        (".csv", "images"),
    ],
)
def test_names_become_folders(path, name):
    assert experiment_name(path) == name
    assert re.fullmatch(NAME_PATTERN, name)


def test_the_folder_where_one_is_has_its_name(tmp_path, monkeypatch):
    folder = tmp_path / "flowers" / "raw"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert (experiment_name("."), experiment_name("..")) == ("raw", "flowers")


PATHS = "give the path of a folder of images or of a CSV file, without ~, from / or from the folder where you run."


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2024, "images: 2024 is not allowed; it is read as a number; for a name write ./2024."),
        (1.5, "images: 1.5 is not allowed; it is read as a number; for a name write ./1.5."),
        (True, f"images: true is not allowed; {PATHS}"),
        (None, f"images: nothing (null) is not allowed; {PATHS}"),
        ("", f"images: '' is not allowed; {PATHS}"),
        ("~/photos", f"images: '~/photos' is not allowed; {PATHS}"),
        ("a\nb", f"images: 'a\\nb' is not allowed; {PATHS}"),
        (["photos"], f"images: ['photos'] is not allowed; {PATHS}"),
    ],
)
def test_what_is_no_path_is_refused(value, message):
    with pytest.raises(InputError) as caught:
        load_given({"images": value})
    assert str(caught.value) == message


def test_experiments_beside_it_are_refused():
    with pytest.raises(InputError) as caught:
        load_given({"images": "photos", "experiments": {"mine": {}}})
    assert str(caught.value) == (
        "images: photos cannot be given together with experiments; delete one of them, or write the images into the "
        "file: experiments: {photos: {dataset: {source: folder, path: photos}}}."
    )
