"""Entries of the cache are checked, and whatever happens to them, the same image comes again."""

import hashlib
import os
import time

import numpy
import pytest

from tests.data.photos import CHECKING, SIZE, photograph
from triptych.data.cache import COLUMNS, MARKER, PARTIAL, Cache, StoredRule, is_marked
from triptych.data.clean import clean
from triptych.data.decoding import DecodingRule, Undecodable
from triptych.data.renditions import dhash, phash
from triptych.results.schema import IMAGES
from triptych.storage.errors import InputError
from triptych.storage.files import sha256

CONTENT = photograph(1)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "images", StoredRule.of(CHECKING))


def keep(cache, content=CONTENT):
    """The image of a file's content, and whether it was there."""
    sha256 = hashlib.sha256(content).hexdigest()
    there = cache.load(sha256)
    return (cache.add(content, sha256), False) if there is None else (there, True)


def entry_of(cache):
    (entry,) = (path for path in cache.folder.rglob("*") if path.is_file())
    return entry


def test_an_image_is_decoded_once_and_read_as_it_was(cache, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(CONTENT)
    first, was_there = keep(cache)
    again, is_there = keep(cache)
    assert (was_there, is_there) == (False, True)
    assert first.facts == again.facts
    assert numpy.array_equal(first.pixels, again.pixels)
    assert again.pixels.shape == (SIZE, SIZE, 3)
    assert numpy.array_equal(first.grey, again.grey) and again.grey.shape == (64, 64)
    assert (phash(again.grey), dhash(again.grey)) == (again.facts["phash"], again.facts["dhash"])
    digest = sha256(tmp_path / "photo.jpg")
    assert entry_of(cache) == cache.path(digest) == cache.folder / digest[:2] / digest
    assert cache.entries() == {digest}
    assert is_marked(cache.root)


def test_facts_are_the_tables_columns(cache):
    assert set(keep(cache)[0].facts) == set(COLUMNS)
    assert [name for name in IMAGES.names if name not in ("path", "class", "split", "group")] == list(COLUMNS)


def damaged(content):
    """What a power failure, a disk or an older program may leave."""
    middle = len(content) // 2
    yield b""
    yield content[:middle]
    yield content[:-1]
    yield content + b"\0"
    yield bytes(len(content))
    yield content[:600].ljust(len(content), b"\0")
    yield b"[" * len(content)
    line = content.index(b"\n")
    for position in (5, line + 5, line + 4099, len(content) - 1000, len(content) - 1):
        yield content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


def test_the_facts_alone_are_checked_by_their_line_and_the_size(cache):
    stored, _ = keep(cache)
    digest, entry = stored.facts["sha256"], entry_of(cache)
    whole = entry.read_bytes()
    assert cache.facts(digest) == stored.facts
    assert numpy.array_equal(cache.grey(digest), stored.grey)
    damage = list(damaged(whole))
    for content in damage[:-2]:  # but for those with changed pixels
        entry.write_bytes(content)
        assert cache.facts(digest) is None and cache.grey(digest) is None
    entry.unlink()
    assert cache.facts(digest) is None and cache.grey(digest) is None


@pytest.mark.parametrize(("width", "height"), [(40, 30), (700, 500), (1400, 1100), (2300, 2100)])
def test_no_setting_of_the_store_affects_what_near_duplicates_are_found_by(tmp_path, width, height):
    content = photograph(3, width, height)
    stores = [{"store_size": 17}, {"store_size": 256, "fit": "pad"}, {"store_size": 600}]
    found = [keep(Cache(tmp_path, StoredRule.of(CHECKING | store)), content)[0] for store in stores]
    assert len({one.pixels.shape for one in found}) == 3
    for one in found[1:]:
        assert numpy.array_equal(one.grey, found[0].grey)
        assert [one.facts[name] for name in ("phash", "dhash")] == [found[0].facts[name] for name in ("phash", "dhash")]


def test_damage_is_found_and_repaired(cache):
    first, _ = keep(cache)
    entry = entry_of(cache)
    whole = entry.read_bytes()
    for content in damaged(whole):
        entry.write_bytes(content)
        assert cache.load(first.facts["sha256"]) is None
        again, was_there = keep(cache)
        assert not was_there
        assert entry.read_bytes() == whole
        assert numpy.array_equal(again.pixels, first.pixels)


def test_the_entry_of_another_file_is_not_taken(cache):
    one, _ = keep(cache)
    other, _ = keep(cache, photograph(2))
    cache.path(one.facts["sha256"]).write_bytes(cache.path(other.facts["sha256"]).read_bytes())
    assert cache.load(one.facts["sha256"]) is None


def test_what_is_no_image_leaves_nothing(cache):
    cache.open()
    with pytest.raises(Undecodable):
        keep(cache, CONTENT[:300])
    assert not [path for path in cache.folder.rglob("*") if path.is_file()]


def test_every_part_of_the_rule_has_a_folder_of_its_own(monkeypatch):
    changes = [{}, {"store_size": 17}, {"fit": "pad"}, {"background": "black"}, {"largest_megapixels": 1}]
    changes += [{"value_range": [0, 4095]}]
    digests = [StoredRule.of(CHECKING | change).digest for change in changes]
    monkeypatch.setattr("triptych.data.cache.decoder_versions", lambda: "others")
    digests.append(StoredRule.of(CHECKING).digest)
    assert len(set(digests)) == len(digests)


def test_settings_become_a_rule():
    changes = {"background": "#0a0b0c", "largest_megapixels": 0.5, "value_range": [0, 4095], "fit": "pad"}
    expected = DecodingRule(background=(10, 11, 12), largest_pixels=500_000, value_range=(0.0, 4095.0))
    assert StoredRule.of(CHECKING | changes) == StoredRule(expected, SIZE, "pad")
    with pytest.raises(InputError, match="background 'reddish' is no colour"):
        StoredRule.of(CHECKING | {"background": "reddish"})


def test_stale_partial_entries_are_removed_and_others_are_not(cache):
    cache.open()
    old, new = (cache.folder / PARTIAL / name for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    cache.open()
    assert (old.exists(), new.exists()) == (False, True)
    assert cache.entries() == set()


def test_a_cache_that_is_deleted_meanwhile_is_made_again(cache):
    keep(cache)
    clean(cache=cache.root)
    assert not keep(cache)[1]
    assert (cache.root / MARKER).exists()
    assert keep(cache)[1]
