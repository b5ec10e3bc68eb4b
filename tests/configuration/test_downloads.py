"""Files are known by their checksums: experiments that need the same file share it, whatever its addresses."""

from triptych.configuration.backbones.registry import ARCHITECTURES
from triptych.configuration.downloads import downloads, official_weights, weights_download
from triptych.configuration.effective import effective
from triptych.configuration.loading import load_configuration
from triptych.configuration.source import Download
from triptych.configuration.sources import cifar10

ARMS = {"one": {"weights": "pretrained"}, "two": {"weights": "random", "model": {"architecture": "resnet50"}}}
RESNET18 = ARCHITECTURES["resnet18"].weights


def found(*experiments):
    common = {"arms": ARMS, "test": "every_epoch"}
    raw = {"experiments": {f"e{number}": {**common, **keys} for number, keys in enumerate(experiments)}}
    return downloads(effective(load_configuration(raw))["experiments"])


def test_an_archive_and_a_file_of_weights():
    files = found({"dataset": {"source": "cifar10"}, "weights": {"source": "torchvision"}})
    official = cifar10.OFFICIAL
    archive = Download("cifar10-c4a38c50a1bc5f3a.tar.gz", official.urls, official.sha256, 170_052_171)
    weights = Download("resnet18-f37072fd47e89c5e.pth", [RESNET18.url], RESNET18.sha256, 46_830_571)
    assert len(RESNET18.sha256) == 64
    assert files == {archive.file: archive, weights.file: weights}


def test_digits_and_letters_need_none():
    assert found({"weights": {"source": "letters"}}) == {}


def test_a_mirror_shares_the_official_file_and_another_file_has_another_place():
    mirror = {"source": "cifar10", "urls": ["http://mirror/x.tar.gz"]}
    weights = {"source": "torchvision"}
    files = found(
        {"dataset": {"source": "cifar10"}, "weights": weights},
        {"dataset": mirror, "weights": weights},
        {"dataset": {**mirror, "sha256": "a" * 64, "path": "my.tar.gz"}, "weights": weights},
    )
    urls = files["cifar10-c4a38c50a1bc5f3a.tar.gz"].urls
    assert urls == [*cifar10.OFFICIAL.urls, "http://mirror/x.tar.gz"]
    other = Download(f"cifar10-{'a' * 16}.tar.gz", ["http://mirror/x.tar.gz"], "a" * 64, None, "my.tar.gz")
    assert files[other.file] == other
    assert len(files) == 3


def test_a_file_of_weights_is_official_by_its_checksum_alone():
    torchvision = {"source": "torchvision", "urls": None, "path": None}
    assert official_weights({"source": "letters"}, "resnet50")
    for architecture in ("resnet18", "resnet50"):
        assert official_weights({**torchvision, "sha256": None, "path": "my.pth"}, architecture)
        assert not official_weights({**torchvision, "sha256": "a" * 64}, architecture)
    assert official_weights({**torchvision, "sha256": RESNET18.sha256}, "resnet18")
    assert not official_weights({**torchvision, "sha256": "f37072fd" + "0" * 56}, "resnet18")
    assert official_weights({**torchvision, "sha256": "0676ba61" + "0" * 56}, "resnet50")


def test_the_pinned_archive_of_cifar100():
    files = found({"dataset": {"source": "cifar100"}, "weights": {"source": "letters"}})
    assert files["cifar100-58a81ae192c23a4b.tar.gz"].sha256 == (
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
    )


def test_other_architectures_have_the_first_digits():
    weights = {"source": "torchvision", "urls": None, "sha256": None, "path": None}
    assert weights_download(weights, "resnet50") == Download(
        "resnet50-0676ba61.pth", [ARCHITECTURES["resnet50"].weights.url], "0676ba61"
    )
    assert weights_download({**weights, "sha256": "b" * 64}, "resnet50").sha256 == "b" * 64
