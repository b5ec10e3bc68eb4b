"""CIFAR-100: what the configuration knows of it."""

from typing import ClassVar, Literal

from pydantic import Field

from triptych.configuration.archive_source import SUM_OF_ARCHIVE, URLS_OF_ARCHIVE, ArchiveDataset
from triptych.configuration.source import Download
from triptych.configuration.values import Sha256, Urls

OFFICIAL = Download(
    file="cifar-100-binary.tar.gz",
    urls=["https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"],
    sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
)


class Cifar100Dataset(ArchiveDataset):
    """CIFAR-100: 60,000 photographs of 32 x 32 pixels in a hundred classes, from the official binary archive."""

    CLASSES: ClassVar[int] = 100
    OFFICIAL: ClassVar[Download] = OFFICIAL

    source: Literal["cifar100"] = Field("cifar100", description="The data set: CIFAR-100, downloaded.")
    urls: Urls = Field(OFFICIAL.urls, description=URLS_OF_ARCHIVE)
    sha256: Sha256 = Field(OFFICIAL.sha256, description=SUM_OF_ARCHIVE)


SECTION = Cifar100Dataset
