"""The archive of a data set, downloaded once and known by its checksum."""

from pathlib import Path

from triptych.storage.fetch import fetch, read_urls


def download_dataset(
    *, urls: str, sha256: str, size: int | None = None, path: Path | None = None, archive: Path
) -> None:
    """Download the archive of a data set, unless it is there already.

    Args:
        urls: a JSON list of https, http or file addresses, tried in order.
        sha256: the checksum that the archive must have; size: its bytes, where they are known.
        path: a file of one's own, taken instead of any address.
        archive: where it goes.

    Raises:
        InputError: no address gave the archive; the message says what came instead.
    """
    fetch(read_urls(urls), archive, checksum=sha256, size=size, own_file=path)
