"""Files are known by their checksums: experiments that need the same file share it, whatever its addresses."""

from triptych.configuration.downloads import (
    CIFAR10,
    CIFAR100,
    OFFICIAL_SHA256,
    dataset_file,
    downloads,
    official_archive,
    official_weights,
    weights_checksum,
    weights_file,
)
from triptych.configuration.effective import effective
from triptych.configuration.loading import load_configuration
from triptych.configuration.torchvision_weights import URLS

ARMS = {"one": {"weights": "pretrained"}, "two": {"weights": "random", "model": {"architecture": "resnet50"}}}


def found(*experiments):
    raw = {"experiments": {f"e{number}": {"arms": ARMS, **keys} for number, keys in enumerate(experiments)}}
    return downloads(effective(load_configuration(raw))["experiments"])


def test_the_lectures_two_files():
    files = found({"dataset": {"source": "cifar10"}, "weights": {"source": "torchvision"}})
    assert files == {
        "cifar10-c4a38c50a1bc5f3a": {**CIFAR10, "size": 170_052_171, "path": None},
        "resnet18-f37072fd47e89c5e": {
            "urls": [URLS["resnet18"]],
            "sha256": OFFICIAL_SHA256["resnet18"],
            "size": 46_830_571,
            "path": None,
        },
    }


def test_digits_and_letters_need_none():
    assert found({"weights": {"source": "letters"}}) == {}
    assert dataset_file({"source": "digits"}) is None


def test_a_mirror_shares_the_official_file_and_another_file_has_another_place():
    mirror = {"source": "cifar10", "urls": ["http://mirror/x.tar.gz"]}
    weights = {"source": "torchvision"}
    files = found(
        {"dataset": {"source": "cifar10"}, "weights": weights},
        {"dataset": mirror, "weights": weights},
        {"dataset": {**mirror, "sha256": "a" * 64, "path": "my.tar.gz"}, "weights": weights},
    )
    assert files["cifar10-c4a38c50a1bc5f3a"]["urls"] == [*CIFAR10["urls"], "http://mirror/x.tar.gz"]
    other = {"urls": ["http://mirror/x.tar.gz"], "sha256": "a" * 64, "size": None, "path": "my.tar.gz"}
    assert files[f"cifar10-{'a' * 16}"] == other
    assert len(files) == 3


def test_a_file_is_official_by_its_checksum_alone():
    assert official_archive("cifar10", CIFAR10["sha256"]) and official_archive("cifar100", CIFAR100["sha256"])
    assert official_archive("digits", None)
    assert not official_archive("cifar10", CIFAR100["sha256"])
    assert official_weights("torchvision", "resnet18", OFFICIAL_SHA256["resnet18"])
    assert official_weights("torchvision", "resnet50", "0676ba61") and official_weights("letters", "resnet50", None)
    for architecture, found in (("resnet18", "f37072fd" + "0" * 56), ("resnet50", "a" * 64), ("resnet50", None)):
        assert not official_weights("torchvision", architecture, found)


def test_the_pinned_archive_of_cifar100():
    files = found({"dataset": {"source": "cifar100"}, "weights": {"source": "letters"}})
    assert files["cifar100-58a81ae192c23a4b"]["sha256"] == (
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
    )


def test_other_architectures_have_the_first_digits():
    weights = {"source": "torchvision", "sha256": None}
    assert weights_checksum(weights, "resnet50") == "0676ba61"
    assert weights_file(weights, "resnet50") == "resnet50-0676ba61"
    assert weights_checksum({"sha256": "b" * 64}, "resnet50") == "b" * 64
