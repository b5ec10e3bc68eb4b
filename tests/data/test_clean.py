"""Only a cache of decoded images is deleted."""

import pytest

from tests.data.photos import check, contents, tree
from triptych.data.cache import MARKER
from triptych.data.clean import clean
from triptych.storage.errors import InputError


def test_a_cache_is_deleted_and_what_is_not_its_own_is_kept(tmp_path, capsys):
    photos, cache = tree(tmp_path / "photos", {"a": 2, "b": 2}), tmp_path / "images"
    first = contents(check(photos, tmp_path / "first", cache))
    (cache / "notes.txt").write_text("mine")
    (cache / "0123456789abcdef").symlink_to(photos)
    before = contents(photos / "a")
    clean(cache=cache)
    assert "kept, because not decoded images: 0123456789abcdef, notes.txt" in capsys.readouterr().out
    assert sorted(path.name for path in cache.iterdir()) == sorted([MARKER, "0123456789abcdef", "notes.txt"])
    assert contents(photos / "a") == before
    (cache / "notes.txt").unlink()
    (cache / "0123456789abcdef").unlink()
    clean(cache=cache)
    assert not cache.exists()
    assert contents(check(photos, tmp_path / "again", cache)) == first


def test_remains_of_a_killed_clean_are_deleted(tmp_path):
    cache = tmp_path / "images"
    check(tree(tmp_path / "photos", {"a": 1, "b": 1}), tmp_path / "out", cache)
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    folder.rename(cache / ".deleted.1.0")
    clean(cache=cache)
    assert not cache.exists()


@pytest.mark.parametrize("marker", [None, "", "Signature: 8a477f597d28d172789f06886806bc55\n# of another program.\n"])
def test_other_folders_are_refused(tmp_path, marker):
    folder = tmp_path / "photos"
    (folder / "0123456789abcdef").mkdir(parents=True)
    if marker is not None:
        (folder / MARKER).write_text(marker)
    with pytest.raises(InputError, match=r"photos: no cache of decoded images .*nothing was deleted"):
        clean(cache=folder)
    assert (folder / "0123456789abcdef").is_dir()
    with pytest.raises(InputError, match="none: there is no such folder; nothing was deleted"):
        clean(cache=tmp_path / "none")
