"""A library of networks is found by the name of an architecture; an unknown one is refused by its name."""

import pytest

from triptych.models.backbone import known_libraries, library_module, library_of
from triptych.models.backbones import torchvision
from triptych.storage.errors import InputError


def test_a_bare_name_is_torchvisions():
    assert library_of("resnet18") == (torchvision, "resnet18")
    assert library_module("resnet18") == torchvision.__name__
    assert known_libraries() == ["torchvision"]


@pytest.mark.parametrize("architecture", ["tinm/resnet18", "torchvision/resnet18", "os/path", "../x", "/resnet18"])
def test_what_is_before_a_slash_must_be_a_library(architecture):
    with pytest.raises(InputError, match=r"architecture '.*': there is no library .* with one of torchvision"):
        library_of(architecture)
