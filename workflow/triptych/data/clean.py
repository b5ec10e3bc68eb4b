"""Delete the cache of decoded images."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from triptych.data.cache import DELETED, MARKER, is_marked, is_rule_folder
from triptych.storage.errors import InputError

CACHE = Path("resources", "images")


def clean(*, cache: Path = CACHE) -> None:
    """Delete the decoded images of all experiments that share a cache. They are decoded again when they are needed.

    It is safe at any time, also while a workflow runs. Other files in the folder are kept.

    Args:
        cache: the folder of decoded images: `images` in the folder of resources; by default resources/images.

    Raises:
        InputError: there is no folder, or it is no cache of decoded images.
    """
    if not cache.is_dir():
        raise InputError(f"{cache}: there is no such folder; nothing was deleted.")
    if not is_marked(cache):
        raise InputError(
            f"{cache}: no cache of decoded images (its file {MARKER} is missing or of another program); nothing was "
            "deleted. Give the folder images in the folder of resources, such as resources/images."
        )
    for number, folder in enumerate(filter(is_rule_folder, sorted(cache.iterdir()))):
        # Renamed first, so that a process that writes here meanwhile finds no folder, and makes a new one.
        with suppress(FileNotFoundError):  # another process deletes it
            away = folder.rename(cache / f"{DELETED}{os.getpid()}.{number}")
            shutil.rmtree(away)
            print(f"{folder}: deleted", flush=True)
    kept = sorted(path.name for path in cache.iterdir() if path.name != MARKER)
    if kept:
        print(f"{cache}: kept, because not decoded images: {', '.join(kept[:10])}", flush=True)
        return
    with suppress(OSError):  # a workflow has just put new images into it, or it is a link
        (cache / MARKER).unlink(missing_ok=True)
        cache.rmdir()
