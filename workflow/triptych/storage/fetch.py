"""Download a file: several URLs in order, a pinned checksum, and an atomic write."""

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pooch
import requests

from triptych.storage.errors import InputError
from triptych.storage.files import STORAGE_ERRORS, atomic_write, sha256
from triptych.storage.locks import held

WAITS = (2.0, 8.0)
"""Seconds before the second and the third attempt of one URL."""
TIMEOUT = 30
"""Seconds without a byte from the server after which an attempt fails."""

_CHUNK = 1 << 18
_SECONDS_BETWEEN_LINES = 10.0
_PERMANENT = (
    requests.TooManyRedirects,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)
"""Errors that a retry cannot fix."""
_HTML = re.compile(rb"\s*<(!doctype html|html|head|\?xml)", re.IGNORECASE)


class _Progress:
    """A progress bar for pooch: one line per tenth of the file, or every few seconds if the size is unknown."""

    def __init__(self) -> None:
        self.total = 0  # bytes, set by pooch; 0 if the server does not send the size
        self._done = 0
        self._tenth = 0
        self._last = time.monotonic()

    def update(self, count: int) -> None:
        self._done += count
        total = self.total
        tenth = min(10, 10 * self._done // total) if total else 0
        now = time.monotonic()
        if tenth > self._tenth and (total >= 10 * _CHUNK or tenth == 10):
            print(f"  {tenth * 10:3d} % of {total:,} bytes", flush=True)
            self._tenth, self._last = tenth, now
        elif not total and now - self._last > _SECONDS_BETWEEN_LINES:
            print(f"  {self._done:,} bytes", flush=True)
            self._last = now

    def reset(self) -> None:
        """Reset the count; pooch calls this at the end, to fill the bar."""
        self._done = 0

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


class _Limited:
    """A writable file with a size limit in bytes (None: no limit)."""

    def __init__(self, file: BinaryIO, limit: int | None):
        self._file = file
        self._limit = limit
        self._count = 0

    def write(self, content: bytes) -> None:
        """Write; raise `_UnusableError` if the limit is exceeded."""
        self._count += len(content)
        if self._limit is not None and self._count > self._limit:
            raise _UnusableError(f"received more than the expected {self._limit:,} bytes")
        self._file.write(content)

    def flush(self) -> None:
        """Do nothing: nothing reads the file before it is closed."""


def read_urls(text: str) -> list[str]:
    """Read the URLs of a command-line option, a JSON list.

    Raises:
        InputError: the text is not a list of strings.
    """
    try:
        urls = json.loads(text)
    except ValueError:
        urls = None
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise InputError(f"urls: {text!r} is not allowed; give a JSON list of URLs.")
    return urls


def fetch(
    urls: list[str],
    destination: Path,
    *,
    checksum: str,
    size: int | None = None,
    own_file: Path | None = None,
    waits: tuple[float, ...] = WAITS,
    timeout: float = TIMEOUT,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Download the file with the given checksum to `destination`, unless it is there already.

    The URLs are tried in order, each with retries after a transient error: no connection, a broken connection, a server
    error. The proxies of the environment are used, such as HTTPS_PROXY. If two processes download the same file, the
    second waits for the first and uses its file.

    Args:
        urls: https, http or file URLs.
        checksum: the SHA-256 in hexadecimal, or its first 8 to 16 digits if no more is known.
        size: in bytes, if it is known.
        own_file: a local file to use instead of the URLs.
        waits: seconds before each retry of one URL.
        timeout: seconds without a byte from the server after which an attempt fails.

    Raises:
        InputError: the checksum or a URL is invalid, or no URL returned the file. The message says what was expected
            and, for each URL, what was received. `destination` is then unchanged.
    """
    if not re.fullmatch(r"[0-9a-f]{8,16}|[0-9a-f]{64}", checksum):
        raise InputError(f"sha256: {checksum!r} is not allowed; give 64 hexadecimal digits.")
    for url in urls:
        if _scheme(url) not in ("https", "http", "file"):
            raise InputError(f"url: {url!r} is not allowed; give a URL that begins with https://, http:// or file://.")
    if _is_there(destination, checksum):
        return
    with held(destination):
        if _is_there(destination, checksum):
            return
        problems = []
        for url in urls if own_file is None else [str(own_file)]:
            try:
                with atomic_write(destination) as temporary:
                    _receive(url, temporary, size, waits, timeout, sleep)
                    _compare(temporary, checksum, size)
            except _UnusableError as problem:
                print(f"{url}: {problem}", flush=True)
                problems.append(f"\n  {url}: {problem}")
            else:
                print(f"{destination}: {destination.stat().st_size:,} bytes, sha256 verified", flush=True)
                return
    wanted = f"sha256 {checksum}" if size is None else f"{size:,} bytes, sha256 {checksum}"
    advice = (
        "retry later; check the connection and the proxy (HTTPS_PROXY); give other URLs (urls) or a local file (path)."
        if own_file is None
        else "correct `path` (absolute, or relative to the working directory), or omit it to download the file."
    )
    raise InputError(
        (f"{destination.name} could not be downloaded" if own_file is None else f"{own_file} cannot be used")
        + f"; expected {wanted}"
        + "".join(problems or ["\n  no URL is given"])
        + f"\n  What to do: {advice} If you want a different file, give its sha256."
    )


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:  # half an IPv6 address
        return ""


def _is_there(destination: Path, checksum: str) -> bool:
    """Whether the file exists with the right checksum; print so."""
    verified = destination.is_file() and sha256(destination).startswith(checksum)
    if verified:
        print(f"{destination}: already there, sha256 verified", flush=True)
    return verified


class _UnusableError(Exception):
    """A URL did not return the file; the message says why."""


def _receive(
    url: str,
    temporary: Path,
    size: int | None,
    waits: tuple[float, ...],
    timeout: float,
    sleep: Callable[[float], None],
) -> None:
    """Download a URL to a temporary file, with retries.

    Raises:
        _UnusableError: nothing, only a part, or more than `size` bytes were received.
    """
    for wait in (*waits, None):
        print(f"from {url}", flush=True)
        try:
            if urlsplit(url).scheme in ("https", "http"):
                download = pooch.HTTPDownloader(
                    progressbar=_Progress(),
                    chunk_size=_CHUNK,
                    timeout=timeout,
                    headers={"Accept-Encoding": "identity"},  # otherwise a server may decompress the archive
                )
                with temporary.open("wb") as file:
                    download(url, _Limited(file, size), None)
            else:
                _copy(Path(url2pathname(urlsplit(url).path) if url.startswith("file:") else url), temporary)
            return
        except requests.RequestException as error:
            response = None if isinstance(error, requests.TooManyRedirects) else error.response
            status = None if response is None else response.status_code
            received = f"received {temporary.stat().st_size:,} bytes"
            reason = f"HTTP status {status}" if status else f"{received}, then: {_in_short(error)}"
            permanent = isinstance(error, _PERMANENT) or (status and status < 500 and status not in (408, 429))
            if wait is None or permanent:
                raise _UnusableError(reason) from None
            print(f"  {reason}; retry in {wait:g} s", flush=True)
            sleep(wait)
        except OSError as error:
            if error.errno in STORAGE_ERRORS:
                raise
            raise _UnusableError(f"cannot be read ({error.strerror or error})") from None
        except ValueError as error:  # for example no valid Content-Length, or an invalid host name
            raise _UnusableError(f"invalid URL or response: {_in_short(error)}") from None


def _copy(source: Path, temporary: Path) -> None:
    """Copy a local file. Only a regular file is allowed, because a device may be endless."""
    if source.exists() and not source.is_file():
        raise _UnusableError("cannot be read (not a regular file)")
    shutil.copyfile(source, temporary)


def _in_short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__} ({text if len(text) <= 200 else text[:197] + '...'})"


def _compare(received: Path, checksum: str, size: int | None) -> None:
    """Verify the checksum of a download; raise `_UnusableError` if it is wrong."""
    found, found_size = sha256(received), received.stat().st_size
    if found.startswith(checksum):
        return
    with received.open("rb") as file:
        page = _HTML.match(file.read(200))
    short = size is not None and found_size < size
    what = "a web page, not the file" if page else "shorter than expected" if short else "a different file"
    raise _UnusableError(f"received {found_size:,} bytes, sha256 {found}: {what}")
