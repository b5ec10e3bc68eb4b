"""Downloads of the experiments: files are identified by checksum, so addresses do not affect results."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from triptych.configuration.backbones.registry import ARCHITECTURES, WeightFile
from triptych.configuration.pretraining import pretrained_architectures
from triptych.configuration.source import Download
from triptych.configuration.sources.registry import source_of


def weights_download(weights: Mapping[str, Any], architecture: str) -> Download:
    """Return the file of an architecture's weights for a section `weights` with the source torchvision."""
    published = _published(architecture)
    checksum = weights["sha256"] or published.sha256
    size = published.bytes if checksum == published.sha256 else None
    urls = weights["urls"] or [published.url]
    return Download(f"{architecture}-{checksum[:16]}.pth", list(urls), checksum, size, weights["path"])


def official_weights(weights: Mapping[str, Any], architecture: str) -> bool:
    """Return whether an architecture's weights have the published checksum; True if they are not downloaded."""
    if weights["source"] != "torchvision":
        return True
    return weights_download(weights, architecture).sha256.startswith(_published(architecture).sha256)


def _published(architecture: str) -> WeightFile:
    """Return the published weights of an architecture; `checks` refuses pretrained arms without any."""
    published = ARCHITECTURES[architecture].weights
    assert published is not None, architecture
    return published


def downloads(experiments: Mapping[str, Mapping[str, Any]]) -> dict[str, Download]:
    """Return every file that experiments of `triptych.configuration.effective.effective` need, by its name.

    Experiments that need the same file share it. Its addresses are those of the first of them, then the others'; the
    `path` is that of the first that has one.
    """
    found: dict[str, Download] = {}
    for experiment in experiments.values():
        needed = source_of(experiment["dataset"]).downloads()
        if experiment["weights"]["source"] == "torchvision":
            needed += [
                weights_download(experiment["weights"], architecture)
                for architecture in pretrained_architectures(experiment)
            ]
        for download in needed:
            first = found.setdefault(download.file, download)
            urls = list(dict.fromkeys([*first.urls, *download.urls]))
            found[download.file] = replace(first, urls=urls, path=first.path or download.path)
    return found
