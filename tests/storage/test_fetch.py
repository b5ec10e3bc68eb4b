"""The first URL with the right file is used; any other outcome is one message and leaves no file."""

import functools
import hashlib
import http.server
import threading

import pytest

from triptych.storage.errors import InputError
from triptych.storage.fetch import fetch, read_urls

CONTENT = bytes(range(256)) * 20_000
SUM = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><p>Please log in"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path, and counts the requests."""

    def do_GET(self):
        self.server.asked.append(self.path)
        answers = {
            "/good": (200, CONTENT, len(CONTENT)),
            "/cut": (200, CONTENT[:1000], len(CONTENT)),
            "/short": (200, CONTENT[:1000], 1000),
            "/page": (200, PAGE, len(PAGE)),
            "/busy": (503, b"", 0),
        }
        status, body, length = answers.get(self.path, (404, b"", 0))
        if self.path == "/flaky":
            status, body, length = answers["/good" if self.server.asked.count("/flaky") > 1 else "/busy"]
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if self.path == "/good":
            self.send_header("Content-Type", "application/gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Print nothing."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        running.address = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=[0.02], daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def get(tmp_path):
    """`fetch` into an empty folder, without waits; it keeps the path (`.destination`) and the waits (`.slept`)."""
    destination, slept = tmp_path / "new" / "file.bin", []
    call = functools.partial(fetch, destination=destination, checksum=SUM, sleep=slept.append)
    call.destination, call.slept = destination, slept
    return call


def nothing_left(destination):
    return not destination.parent.exists() or not list(destination.parent.iterdir())


def test_a_download_prints_few_lines(server, get, capsys):
    get([f"{server.address}/good"], size=len(CONTENT))
    assert get.destination.read_bytes() == CONTENT
    assert [path.name for path in get.destination.parent.iterdir()] == ["file.bin"]
    lines = capsys.readouterr().out.splitlines()
    assert any("100 %" in line for line in lines)
    assert len(lines) < 20
    assert not any("\r" in line for line in lines)


def test_a_file_that_is_there_is_not_downloaded_again(server, get):
    get([f"{server.address}/good"])
    get([f"{server.address}/other-address"])
    get([], own_file="missing")
    assert server.asked == ["/good"]


def test_a_wrong_file_in_place_is_replaced(server, get):
    get.destination.parent.mkdir()
    get.destination.write_bytes(b"old")
    with pytest.raises(InputError):
        get([f"{server.address}/none"])
    assert get.destination.read_bytes() == b"old"
    get([f"{server.address}/good"])
    assert get.destination.read_bytes() == CONTENT


def test_urls_are_tried_in_order(server, get, tmp_path):
    source = tmp_path / "a file"
    source.write_bytes(CONTENT)
    get([f"{server.address}/none", f"{server.address}/page", source.as_uri(), f"{server.address}/good"])
    assert server.asked == ["/none", "/page"]
    assert get.destination.read_bytes() == CONTENT


def test_a_local_file_is_used_instead(get, tmp_path):
    source = tmp_path / "mine"
    source.write_bytes(CONTENT)
    get(["https://nowhere.invalid/x"], own_file=source)
    assert get.destination.read_bytes() == CONTENT
    get.destination.unlink()
    with pytest.raises(InputError, match=r"missing: cannot be read \(No such file or directory\)") as error:
        get([], own_file=tmp_path / "missing")
    assert "What to do: correct `path`" in str(error.value) and "proxy" not in str(error.value)
    assert nothing_left(get.destination)


def test_the_first_digits_of_a_checksum_are_enough(server, get):
    get([f"{server.address}/good"], checksum=SUM[:8])
    assert get.destination.read_bytes() == CONTENT


def test_a_transient_error_is_retried(server, get, capsys):
    get([f"{server.address}/flaky"])
    assert (server.asked, get.slept) == (["/flaky"] * 2, [2.0])
    assert "HTTP status 503; retry in 2 s" in capsys.readouterr().out


def test_no_server(get):
    with pytest.raises(InputError, match="ConnectionError"):
        get(["http://127.0.0.1:9/x"])
    assert get.slept == [2.0, 8.0]
    assert nothing_left(get.destination)


def test_the_proxy_of_the_environment_is_used(server, get, monkeypatch):
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(InputError):
        get(["http://example.invalid/good"])
    assert server.asked == ["http://example.invalid/good"]  # the whole URL: the request went to the proxy


@pytest.mark.parametrize(
    ("path", "words", "attempts"),
    [
        ("/none", ["HTTP status 404"], 1),
        (
            "/page",
            ["received 31 bytes", hashlib.sha256(PAGE).hexdigest(), "a web page"],
            1,
        ),
        (
            "/short",
            ["received 1,000 bytes", hashlib.sha256(CONTENT[:1000]).hexdigest(), "shorter than expected"],
            1,
        ),
        ("/cut", ["received ", "IncompleteRead"], 3),
        ("/busy", ["HTTP status 503"], 3),
    ],
)
def test_what_is_not_the_file_is_one_message(server, get, path, words, attempts):
    with pytest.raises(InputError) as error:
        get([server.address + path], size=len(CONTENT))
    message = str(error.value)
    for word in [*words, server.address + path, "5,120,000 bytes", SUM, "What to do"]:
        assert word in message
    assert server.asked == [path] * attempts
    assert nothing_left(get.destination)


def test_a_wrong_checksum_of_the_configuration(server, get):
    with pytest.raises(InputError, match=rf"expected sha256 {'0' * 64}\n.* sha256 {SUM}: a different file"):
        get([f"{server.address}/good"], checksum="0" * 64)
    assert nothing_left(get.destination)


@pytest.mark.parametrize("checksum", ["", "abc", SUM[:63], SUM + "0", "x" * 64])
def test_an_invalid_checksum(get, checksum):
    with pytest.raises(InputError, match="give 64 hexadecimal digits"):
        get([], checksum=checksum)


@pytest.mark.parametrize("url", ["www.cs.toronto.edu/x", "/a/file", "ftp://a/b", ""])
def test_an_invalid_url(get, url):
    with pytest.raises(InputError, match="begins with https://"):
        get([url])


def test_urls_of_an_option():
    assert read_urls('["https://a/b", "file:///c"]') == ["https://a/b", "file:///c"]
    for text in ("https://a", "{}", "[1]"):
        with pytest.raises(InputError, match="give a JSON list of URLs"):
            read_urls(text)
