"""The digest of the user's image files, which is a parameter of the rule that checks them.

Snakemake compares files by their time stamps and cannot know a folder by its content. The digest stays the same as long
as no file is added, removed, renamed or edited, wherever the folder is and whatever its time stamps are
(`triptych.data.listing`).
"""

import hashlib
import os
from functools import cache
from pathlib import Path

from triptych.data.user_files import quoted
from triptych.storage.errors import InputError

RESULTS = 2
"""The folder of the results, counted upwards from that of the record of the files."""
VARIABLE = "TRIPTYCH_FILES_"
"""What begins the names of the environment variables that hand digests to jobs."""


@cache
def digest_of_files(source: str, path: str, recorded: str, *, is_main_process: bool) -> str:
    """Return the digest of the files of a data set: found once by the process that was started, and handed to its jobs.

    A job of the checking rule in a process of its own (on a cluster, say) must get the digest that Snakemake records.
    It could find another one, because a file was added meanwhile, or because the outputs of a job, the record of the
    files among them, are deleted before it runs. So the main process puts it into the environment, which such jobs
    inherit. Where they do not, they find the digest by themselves.

    Args:
        source: folder or table.
        path: the folder or the table, relative to the working directory.
        recorded: the record that the checking rule wrote, or will write.
        is_main_process: whether this process was started by the user, not by another Snakemake for a job.

    Raises:
        InputError: the data set is not there, and was never checked; or it holds the results, or lies in them.
    """
    _check_apart(Path(path), Path(recorded))
    variable = VARIABLE + hashlib.sha256("\0".join([source, path, recorded]).encode()).hexdigest()[:16]
    if not is_main_process and variable in os.environ:
        return os.environ[variable]
    from triptych.data.listing import digest_for  # most experiments have no files, and Snakemake's start does without

    os.environ[variable] = digest = digest_for(source, Path(path), Path(recorded))
    return digest


def _check_apart(path: Path, recorded: Path) -> None:
    """Raise an InputError if results are written into the user's folder, or the folder is among them."""
    folder, results = path.resolve(), recorded.resolve().parents[RESULTS]
    if folder == results or results in folder.parents or folder in results.parents:
        raise InputError(
            f"{quoted(str(path))} is not allowed: the results are written to {quoted(str(results))}, which must "
            "neither hold the images nor be among them; give a folder that has only images."
        )
