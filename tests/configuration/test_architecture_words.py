"""What is said about an unknown architecture, or a size of images that one does not take."""

import pytest

from triptych.configuration.architecture_words import SMALLEST_OF_FAMILY, architecture_hint, wrong_size
from triptych.configuration.backbones.registry import ARCHITECTURES


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("resnet", ["resnet18"]),
        ("ResNet", ["resnet18"]),
        ("resnet17", ["resnet18"]),
        ("resnet-50", ["resnet50", "resnet18"]),
        ("vit", ["vit_b_16"]),
        ("ViT-L/16", ["vit_l_16", "vit_b_16"]),
        ("efficientnet", ["efficientnet_b0"]),
        ("efficientnet_b9", ["efficientnet_b7", "efficientnet_b0"]),
        ("wide_resnet50", ["wide_resnet50_2"]),
        ("wideresnet50", ["wide_resnet50_2"]),
        ("vgg", ["vgg11"]),
        ("swin_v2_tiny", ["swin_v2_t", "swin_t"]),
        ("resent", ["resnet50", "resnet18"]),
        ("perceiver", []),
        ("", []),
        ("8", []),
    ],
)
def test_the_names_that_are_offered(name, offered):
    hint = architecture_hint(name)
    assert hint.startswith("; the nearest is ") == bool(offered)
    assert [word.strip(",;") for word in hint.split() if word.strip(",;") in ARCHITECTURES] == offered


def test_an_unknown_library_is_named():
    assert (
        architecture_hint("tinm/resnet18") == "; the nearest is resnet18; there is no library 'tinm', only torchvision"
    )
    assert "library" not in architecture_hint("resnet17")


@pytest.mark.parametrize("family", SMALLEST_OF_FAMILY)
def test_a_slip_in_any_family_offers_its_smallest(family):
    for name in (family, f"{family}_", f"{family}999"):
        assert SMALLEST_OF_FAMILY[family] in architecture_hint(name).replace(",", "").split(), name


@pytest.mark.parametrize(
    ("architecture", "size", "message"),
    [
        ("alexnet", 62, "alexnet needs at least 63; the nearest is 63"),
        ("vit_b_16", 30, "vit_b_16 needs a multiple of 16; the nearest is 32"),
        ("vit_b_16", 8, "vit_b_16 needs a multiple of 16; the nearest is 16"),
        ("vit_h_14", 1024, "vit_h_14 needs a multiple of 14; the nearest is 1022"),
        (
            "maxvit_t",
            300,
            "maxvit_t needs 221 to 224, 445 to 448, 669 to 672, 893 to 896; the nearest is 224",
        ),
        ("alexnet", 63, None),
        ("vit_b_16", 256, None),
        ("maxvit_t", 448, None),
        ("swin_t", 8, None),
    ],
)
def test_the_sizes_that_are_allowed(architecture, size, message):
    assert wrong_size(architecture, size) == message
