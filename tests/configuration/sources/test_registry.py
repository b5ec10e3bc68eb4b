"""Each source is declared and read under one name, and what does not decide its images is told apart."""

import pkgutil

import pytest

from triptych.configuration import sources
from triptych.configuration.sources.digits import DigitsDataset
from triptych.configuration.sources.registry import SOURCES, section_of, source_of
from triptych.data import sources as readers
from triptych.data.source import reader_of


def test_every_source_has_its_two_modules_and_no_module_is_without_a_source():
    declared = {module.name for module in pkgutil.iter_modules(sources.__path__)} - {"registry"}
    assert declared == {module.name for module in pkgutil.iter_modules(readers.__path__)} == set(SOURCES)


@pytest.mark.parametrize("source", SOURCES)
def test_each_is_declared_and_read_under_its_name(source):
    section = section_of(source).model_validate({"path": "photos"} if section_of(source).FILES else {})
    assert section.source == source
    assert source_of(section.model_dump()) == section
    assert callable(getattr(reader_of(source), "found" if section.FILES else "read"))
    assert section.is_official()


def test_addresses_decide_nothing():
    changed = section_of("cifar10").model_validate({"urls": ["http://mirror/x"], "path": "my.tar.gz"})
    deciding = section_of("cifar10").model_validate({}).deciding()
    assert changed.deciding() == deciding
    keys = "source sha256 expected_train expected_test train_per_class validation_per_class test_per_class seed"
    assert set(deciding) == set(keys.split())


def test_another_checksum_is_not_the_official_archive():
    other = section_of("cifar10").model_validate({"sha256": section_of("cifar100").model_validate({}).sha256})
    assert not other.is_official()
    assert other.downloads()[0].size is None


class Inverted(DigitsDataset):
    """Digits with a key that was added later."""

    NEUTRAL = {"inverted": False}  # noqa: RUF012
    inverted: bool = False


def test_a_key_that_was_added_later_counts_where_it_changes_something():
    assert Inverted().deciding() == DigitsDataset().deciding()
    assert Inverted(inverted=True).deciding() == DigitsDataset().deciding() | {"inverted": True}
