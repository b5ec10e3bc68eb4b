"""Download pretrained weights."""

from pathlib import Path

from triptych.storage.fetch import fetch, read_urls


def download_weights(
    *, urls: str, sha256: str, size: int | None = None, path: Path | None = None, state_dict: Path
) -> None:
    """Download a file of pretrained weights, unless it is there already. The file is not opened.

    Args:
        urls: a JSON list of https, http or file URLs, tried in order.
        sha256: the required checksum, or its first digits; size: in bytes, if it is known.
        path: a local file to use instead of the URLs.
        state_dict: the file to write.

    Raises:
        InputError: no URL returned the file; the message says what was received.
    """
    fetch(read_urls(urls), state_dict, checksum=sha256, size=size, own_file=path)
