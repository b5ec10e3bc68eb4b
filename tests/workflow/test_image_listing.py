"""The digest of the user's files as the workflow asks for it: once a run, and handed to jobs."""

import os
import shutil

import pytest

from triptych.data.listing import candidates, record, write_listing
from triptych.storage.errors import InputError
from triptych.workflow import image_listing
from triptych.workflow.image_listing import VARIABLE, digest_of_files

RECORD = "results/mine/data/listing.json"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with the pictures of two classes."""
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.setattr(image_listing.os, "environ", dict(os.environ))
    return tmp_path


def asked(is_main_process=True, path="photos"):
    digest_of_files.cache_clear()
    return digest_of_files("folder", path, RECORD, is_main_process=is_main_process)


def check(folder, digest):
    """Record the present files, as check_data does."""
    (folder / RECORD).parent.mkdir(parents=True, exist_ok=True)
    listed = candidates("folder", folder / "photos")
    write_listing(folder / RECORD, record("folder", folder / "photos", digest, listed, {}))


def test_it_stays_until_a_file_changes(folder):
    first = asked()
    check(folder, first)
    (folder / "photos/a/1.jpg").touch()
    assert asked() == first
    (folder / "photos/a/3.jpg").write_text("more")
    assert asked() != first


def test_a_file_that_is_added_during_a_run_belongs_to_the_next(folder):
    first = digest_of_files("folder", "photos", RECORD, is_main_process=True)
    (folder / "photos/a/3.jpg").write_text("more")
    assert digest_of_files("folder", "photos", RECORD, is_main_process=True) == first
    assert asked() != first


def test_a_job_gets_the_digest_of_the_process_that_started_it(folder):
    first = asked()
    (folder / "photos/a/3.jpg").write_text("more")
    shutil.move(folder / "photos", folder / "gone")  # it does not look
    assert asked(is_main_process=False) == first
    assert asked(is_main_process=False, path="gone") != first  # of another folder


def test_a_job_without_the_environment_of_that_process_finds_it_by_itself(folder):
    first = asked()
    for name in [name for name in os.environ if name.startswith(VARIABLE)]:
        del os.environ[name]
    assert asked(is_main_process=False) == first


def test_a_process_that_the_user_starts_believes_no_environment(folder):
    first = asked()
    (folder / "photos/a/3.jpg").write_text("more")
    assert asked() != first


def test_a_folder_that_is_gone_and_was_never_checked_is_one_message(folder):
    with pytest.raises(InputError, match="the folder nowhere does not exist; give the path"):
        asked(path="nowhere")


@pytest.mark.parametrize("path", [".", "results", "results/mine", "results/mine/data/pictures", "photos/.."])
def test_results_and_images_are_apart(folder, path):
    """Else advice about the images would be advice about the results."""
    with pytest.raises(InputError, match=r"is not allowed: the results are written to '?.*results'?, which must"):
        asked(path=path)
