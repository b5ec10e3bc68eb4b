"""Fetching a file over the network once: several addresses in order, a pinned checksum, and nothing half-written."""

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
from triptych.storage.files import FAULTS_OF_STORAGE, atomic_write, sha256
from triptych.storage.locks import held

WAITS = (2.0, 8.0)
"""Seconds before the second and the third attempt at one address."""
TIMEOUT = 30
"""Seconds without a byte from a server, after which an attempt has failed."""

_CHUNK = 1 << 18
_SECONDS_BETWEEN_LINES = 10.0
_PERMANENT = (
    requests.TooManyRedirects,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)
"""Faults that another attempt does not mend."""
_HTML = re.compile(rb"\s*<(!doctype html|html|head|\?xml)", re.IGNORECASE)


class _Progress:
    """What pooch reports its progress to: a line each tenth of the file, or now and then where its size is unknown."""

    def __init__(self) -> None:
        self.total = 0  # bytes, set by pooch; 0 where the server does not say
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
        """Begin again; pooch does so at the end, to fill the bar."""
        self._done = 0

    def close(self) -> None:
        """There is nothing to close."""


class _Limited:
    """A file to write to that takes no more than so many bytes (None: any number)."""

    def __init__(self, file: BinaryIO, limit: int | None):
        self._file = file
        self._limit = limit
        self._count = 0

    def write(self, content: bytes) -> None:
        """Write, or raise an `_UnusableError`."""
        self._count += len(content)
        if self._limit is not None and self._count > self._limit:
            raise _UnusableError(f"received more than the {self._limit:,} bytes that the file has")
        self._file.write(content)

    def flush(self) -> None:
        """Nothing reads the file before it is closed."""


def read_urls(text: str) -> list[str]:
    """The addresses of a command's option: a JSON list.

    Raises:
        InputError: it is no list of texts.
    """
    try:
        urls = json.loads(text)
    except ValueError:
        urls = None
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise InputError(f"urls: {text!r} is no JSON list of addresses")
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
    """Put the file with a given checksum at `destination`, unless it is there already.

    The addresses are tried in order, each again after a wait where the fault may pass: no connection, a broken one, a
    server's error. The proxies of the environment are used (HTTPS_PROXY and its like). Of two processes that fetch one
    file at once, the second waits for the first and finds the file.

    Args:
        urls: https, http or file addresses.
        checksum: the SHA-256 in hexadecimal, or its first 8 to 16 digits where no more is known.
        size: in bytes, where it is known.
        own_file: a file that is taken instead of any address.
        waits: seconds before each further attempt at one address.
        timeout: seconds without a byte from a server, after which an attempt has failed.

    Raises:
        InputError: a checksum or an address that cannot be one; or none of the addresses gave the file. The message
            has, for each, what was expected and what came. `destination` is then as it was.
    """
    if not re.fullmatch(r"[0-9a-f]{8,16}|[0-9a-f]{64}", checksum):
        raise InputError(f"sha256: {checksum!r} has {len(checksum)} characters; give 64 hexadecimal digits")
    for url in urls:
        if _scheme(url) not in ("https", "http", "file"):
            raise InputError(f"{url!r} is no address; give one that begins with https://, http:// or file://")
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
                print(f"{destination}: {destination.stat().st_size:,} bytes, the sha256 is right", flush=True)
                return
    wanted = f"sha256 {checksum}" if size is None else f"{size:,} bytes, sha256 {checksum}"
    advice = (
        "try again later; check the connection and the proxy (HTTPS_PROXY); give other addresses (urls) or a file that "
        "you have already (path)."
        if own_file is None
        else "correct `path` (from / or from the folder where you run), or leave it out to download the file."
    )
    raise InputError(
        f"{destination.name} could not be fetched; expected {wanted}"
        + "".join(problems or ["\n  no address is given"])
        + f"\n  What to do: {advice} If the file is meant to be another one, give its sha256."
    )


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:  # half an IPv6 address
        return ""


def _is_there(destination: Path, checksum: str) -> bool:
    """Whether the file is in place, with the right sum; says so."""
    right = destination.is_file() and sha256(destination).startswith(checksum)
    if right:
        print(f"{destination}: there already, with the right sha256", flush=True)
    return right


class _UnusableError(Exception):
    """An address did not give the file; the message says why."""


def _receive(
    url: str,
    temporary: Path,
    size: int | None,
    waits: tuple[float, ...],
    timeout: float,
    sleep: Callable[[float], None],
) -> None:
    """Write what an address gives, after as many attempts as are worth it.

    Raises:
        _UnusableError: nothing, or not all of it, or more than `size` bytes came.
    """
    for wait in (*waits, None):
        print(f"from {url}", flush=True)
        try:
            if urlsplit(url).scheme in ("https", "http"):
                download = pooch.HTTPDownloader(
                    progressbar=_Progress(),
                    chunk_size=_CHUNK,
                    timeout=timeout,
                    headers={"Accept-Encoding": "identity"},  # else a server may send the archive unpacked
                )
                with temporary.open("wb") as file:
                    download(url, _Limited(file, size), None)
            else:
                _copy(Path(url2pathname(urlsplit(url).path) if url.startswith("file:") else url), temporary)
            return
        except requests.RequestException as error:
            response = None if isinstance(error, requests.TooManyRedirects) else error.response
            status = None if response is None else response.status_code
            came = f"received {temporary.stat().st_size:,} bytes"
            reason = f"HTTP status {status}" if status else f"{came}, then: {_in_short(error)}"
            permanent = isinstance(error, _PERMANENT) or (status and status < 500 and status not in (408, 429))
            if wait is None or permanent:
                raise _UnusableError(reason) from None
            print(f"  {reason}; again in {wait:g} s", flush=True)
            sleep(wait)
        except OSError as error:
            if error.errno in FAULTS_OF_STORAGE:
                raise
            raise _UnusableError(f"cannot be read ({error.strerror or error})") from None
        except ValueError as error:  # no length where one should be, a host name that cannot be one
            raise _UnusableError(f"the address or its answer makes no sense: {_in_short(error)}") from None


def _copy(source: Path, temporary: Path) -> None:
    """Copy a file of this machine; a device, which may have no end, is none."""
    if source.exists() and not source.is_file():
        raise _UnusableError("cannot be read (it is no regular file)")
    shutil.copyfile(source, temporary)


def _in_short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__} ({text if len(text) <= 200 else text[:197] + '...'})"


def _compare(received: Path, checksum: str, size: int | None) -> None:
    """Raise an `_UnusableError` that says what came, unless it is what was expected."""
    found, found_size = sha256(received), received.stat().st_size
    if found.startswith(checksum):
        return
    with received.open("rb") as file:
        page = _HTML.match(file.read(200))
    short = size is not None and found_size < size
    what = "a web page, not the file" if page else "shorter than it should be" if short else "another file"
    raise _UnusableError(f"received {found_size:,} bytes, sha256 {found}: {what}")
