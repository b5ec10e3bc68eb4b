"""A folder of image files: what the configuration knows of it."""

from typing import Literal

from pydantic import Field

from triptych.configuration.image_files import ImageFiles
from triptych.configuration.values import RequiredPath


class FolderDataset(ImageFiles):
    """Your own image files in a folder: one folder a class, or such folders within `train`, `validation` and `test`."""

    source: Literal["folder"] = Field("folder", description="The data set: your own image files in a folder.")
    path: RequiredPath = Field(
        description="The folder, relative to the folder where you run. It holds a folder of images for each class, or "
        "the folders train, validation (or val, valid) and test, with these inside. A split that is missing is taken "
        "from the training images. Nothing in it is changed."
    )


SECTION = FolderDataset
