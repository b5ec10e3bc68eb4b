"""CIFAR-10: what the configuration knows of it."""

from typing import ClassVar, Literal

from pydantic import Field

from triptych.configuration.archive_source import SUM_OF_ARCHIVE, URLS_OF_ARCHIVE, ArchiveDataset
from triptych.configuration.source import Download
from triptych.configuration.values import Sha256, Urls

OFFICIAL = Download(
    file="cifar-10-binary.tar.gz",
    urls=["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    size=170_052_171,
)


class Cifar10Dataset(ArchiveDataset):
    """CIFAR-10: 60,000 photographs of 32 x 32 pixels in ten classes, from the official binary archive (170 MB)."""

    CLASSES: ClassVar[int] = 10
    OFFICIAL: ClassVar[Download] = OFFICIAL

    source: Literal["cifar10"] = Field("cifar10", description="The data set: CIFAR-10, downloaded.")
    urls: Urls = Field(OFFICIAL.urls, description=URLS_OF_ARCHIVE)
    sha256: Sha256 = Field(OFFICIAL.sha256, description=SUM_OF_ARCHIVE)


SECTION = Cifar10Dataset
