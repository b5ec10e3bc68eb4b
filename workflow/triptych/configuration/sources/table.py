"""Image files that a table names: what the configuration knows of them."""

from typing import Literal

from pydantic import Field

from triptych.configuration.image_files import ImageFiles
from triptych.configuration.values import RequiredPath


class TableDataset(ImageFiles):
    """Your own image files, named by a CSV file with the columns `path`, `label` and optionally `split` and `group`."""

    source: Literal["table"] = Field("table", description="The data set: your own image files, named by a CSV file.")
    path: RequiredPath = Field(
        description="The CSV file, relative to the folder where you run. Its columns: path (of an image, relative to "
        "the CSV file, or absolute), label (its class), and optionally split (train, validation or test) and group "
        "(images of one group stay in one split). Nothing is changed."
    )


SECTION = TableDataset
