"""The file of pretrained weights, downloaded once and known by its checksum."""

from pathlib import Path

from triptych.storage.fetch import fetch, read_urls


def download_weights(
    *, urls: str, sha256: str, size: int | None = None, path: Path | None = None, state_dict: Path
) -> None:
    """Download a file of pretrained weights, unless it is there already. It is not opened.

    Args:
        urls: a JSON list of https, http or file addresses, tried in order.
        sha256: the checksum that the file must have, or its first digits; size: its bytes, where they are known.
        path: a file of one's own, taken instead of any address.
        state_dict: where it goes.

    Raises:
        InputError: no address gave the file; the message says what came instead.
    """
    fetch(read_urls(urls), state_dict, checksum=sha256, size=size, own_file=path)
