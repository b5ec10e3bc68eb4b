"""Download the archive of a data set."""

from pathlib import Path

from triptych.storage.fetch import fetch, read_urls


def download_dataset(
    *, urls: str, sha256: str, size: int | None = None, path: Path | None = None, archive: Path
) -> None:
    """Download the archive of a data set, unless it is there already.

    Args:
        urls: a JSON list of https, http or file URLs, tried in order.
        sha256: the required checksum; size: in bytes, if it is known.
        path: a local file to use instead of the URLs.
        archive: the file to write.

    Raises:
        InputError: no URL returned the archive; the message says what was received.
    """
    fetch(read_urls(urls), archive, checksum=sha256, size=size, own_file=path)
