"""What the experiments download: files known by their checksums, so that no address decides a result."""

from collections.abc import Mapping
from typing import Any, TypedDict

from triptych.configuration.torchvision_weights import URLS


class OfficialArchive(TypedDict):
    """Where a data set's archive is, and its checksum."""

    urls: list[str]
    sha256: str


CIFAR10: OfficialArchive = {
    "urls": ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
    "sha256": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
}
CIFAR100: OfficialArchive = {
    "urls": ["https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"],
    "sha256": "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
}
OFFICIAL_SHA256 = {"resnet18": "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"}
"""The whole checksum of torchvision's weights where it is known; of the others the address holds the first digits."""

OFFICIAL_SIZES = {CIFAR10["sha256"]: 170_052_171, OFFICIAL_SHA256["resnet18"]: 46_830_571}
"""Bytes of the official files by their checksums."""


def dataset_file(dataset: Mapping[str, Any]) -> str | None:
    """The name of the file that a data set is read from, without its ending; None where it needs none."""
    return f"{dataset['source']}-{dataset['sha256'][:16]}" if "sha256" in dataset else None


def weights_file(weights: Mapping[str, Any], architecture: str) -> str:
    """The name, without its ending, of the file that holds an architecture's weights."""
    return f"{architecture}-{weights_checksum(weights, architecture)[:16]}"


def weights_checksum(weights: Mapping[str, Any], architecture: str) -> str:
    """The SHA-256 of the file of an architecture's weights, or its first digits where torchvision tells no more."""
    digits = URLS[architecture].removesuffix(".pth").rpartition("-")[2]
    given: str | None = weights["sha256"]
    return given or OFFICIAL_SHA256.get(architecture, digits)


def official_archive(source: str, sha256: str | None) -> bool:
    """Whether a checksum is that of the official archive of a data set; what is read from none has none to differ."""
    return {"cifar10": CIFAR10["sha256"], "cifar100": CIFAR100["sha256"]}.get(source) == sha256


def official_weights(source: str, architecture: str, sha256: str | None) -> bool:
    """Whether a checksum, or as much of it as torchvision tells, is that of torchvision's file of weights; what is not
    downloaded has none to differ."""
    if source != "torchvision":
        return sha256 is None
    return (sha256 or "").startswith(weights_checksum({"sha256": None}, architecture))


def downloads(experiments: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every file that experiments of `triptych.configuration.effective.effective` need, by its name without its ending.

    Experiments that need the same file share it. Its addresses are those of the first of them, then the others'.

    Returns:
        For each file `urls`, `sha256`, `size` (bytes; None where it is not known) and `path` (None, or a file of one's
        own that is taken instead of any address).
    """
    found: dict[str, dict[str, Any]] = {}
    for experiment in experiments.values():
        dataset, weights = experiment["dataset"], experiment["weights"]
        file = dataset_file(dataset)
        if file:
            _add(found, file, dataset["urls"], dataset["sha256"], dataset["path"])
        if weights["source"] == "torchvision":
            for architecture in pretrained_architectures(experiment):
                urls = weights["urls"] or [URLS[architecture]]
                checksum = weights_checksum(weights, architecture)
                _add(found, weights_file(weights, architecture), urls, checksum, weights["path"])
    return found


def pretrained_architectures(experiment: Mapping[str, Any]) -> list[str]:
    """The networks of an experiment's arms that start from pretrained weights, in their order."""
    arms = experiment["arms"].values()
    return list(dict.fromkeys(arm["model"]["architecture"] for arm in arms if arm["weights"] == "pretrained"))


def _add(found: dict[str, dict[str, Any]], name: str, urls: list[str], checksum: str, path: str | None) -> None:
    file = found.setdefault(name, {"urls": [], "sha256": checksum, "size": OFFICIAL_SIZES.get(checksum), "path": path})
    file["urls"] += [url for url in urls if url not in file["urls"]]
    file["path"] = file["path"] or path
