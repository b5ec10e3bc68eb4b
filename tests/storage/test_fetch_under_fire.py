"""Downloads from a faulty server: the right file or one clear message, no wrong and no stale file."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time

import pytest

from tests.conftest import limited
from triptych.storage.errors import InputError
from triptych.storage.fetch import fetch

CONTENT = os.urandom(1 << 20)
SUM = hashlib.sha256(CONTENT).hexdigest()
CHANGED = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
PAGE = b"<!DOCTYPE html><title>Log in</title>"


def answer(body, length=None, status="200 OK", headers=""):
    """Return an HTTP response, possibly with a wrong Content-Length."""
    length = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n".encode() + body


GOOD = answer(CONTENT)
ANSWERS = {
    "/good": GOOD,
    "/404": answer(b"gone", status="404 Not Found"),
    "/503": answer(b"", status="503 Service Unavailable"),
    "/cut": answer(CONTENT[: len(CONTENT) // 2], len(CONTENT)),
    "/longer": answer(CONTENT, len(CONTENT) + 100),
    "/shorter": answer(CONTENT, len(CONTENT) - 100),
    "/no-number": answer(CONTENT, "many"),
    "/page": answer(PAGE),
    "/loop": answer(b"", status="302 Found", headers="Location: /loop\r\n"),
    "/to-a-file": answer(b"", status="302 Found", headers="Location: file:///etc/passwd\r\n"),
    "/changed": answer(CHANGED),
    "/empty": answer(b""),
    "/silent": b"",
    "/no-http": b"\x00\x01\x02 what is HTTP?\r\n\r\n",
    "/endless": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + CONTENT,
}


class Handler(socketserver.BaseRequestHandler):
    """Answers by path with bytes as they are; some paths stall, wait for the test, never end, or succeed on a retry."""

    def handle(self):
        request = self.request.recv(65536).decode("latin-1")
        path = request.split(" ")[1]
        self.server.asked.append(path)
        first, _, then = path[1:].partition("-then-")
        if then:
            path = f"/{first if self.server.asked.count(path) == 1 else then}"
        try:
            if path in ("/stalls", "/waits"):
                self.request.sendall(GOOD[: len(GOOD) // 2])
                self.server.release.wait(20)
                if path == "/waits":
                    self.request.sendall(GOOD[len(GOOD) // 2 :])
            else:
                self.request.sendall(ANSWERS[path])
            while path == "/endless":
                self.request.sendall(CONTENT)
        except OSError:  # the client closed the connection
            pass


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 50


@pytest.fixture
def server(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as running:
        running.asked, running.release = [], threading.Event()
        running.address = f"http://127.0.0.1:{running.server_address[1]}"
        threading.Thread(target=running.serve_forever, args=[0.02], daemon=True).start()
        yield running
        running.release.set()
        running.shutdown()


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "resources" / "file.tar.gz"


def left_in(destination):
    """The names of all files beside a path and at it, hidden ones too."""
    return sorted(path.name for path in destination.parent.iterdir()) if destination.parent.exists() else []


def get(server, destination, path, **options):
    options = {"checksum": SUM, "size": len(CONTENT), "sleep": lambda seconds: None, "timeout": 0.4, **options}
    fetch([server.address + path], destination, **options)


@pytest.mark.parametrize("fault", ["503", "cut", "stalls", "longer", "silent", "no-http"])
def test_a_fault_that_passes_ends_in_the_right_file(server, destination, fault):
    path = f"/{fault}-then-good"
    get(server, destination, path)
    assert destination.read_bytes() == CONTENT
    assert left_in(destination) == [destination.name]
    assert server.asked == [path] * 2


FAULTS = {
    "/404": ("HTTP status 404", 1),
    "/503": ("HTTP status 503", 3),
    "/cut": ("IncompleteRead", 3),
    "/longer": ("IncompleteRead", 3),
    "/shorter": ("shorter than expected", 1),
    "/no-number": ("invalid URL or response", 1),
    "/page": ("a web page, not the file", 1),
    "/loop": ("redirects", 31),
    "/to-a-file": ("InvalidSchema", 1),
    "/changed": ("a different file", 1),
    "/empty": ("received 0 bytes", 1),
    "/stalls": ("Read timed out", 3),
    "/silent": ("RemoteDisconnected", 3),
    "/no-http": ("received 0 bytes, then: ", 3),
    "/endless": (f"received more than the expected {len(CONTENT):,} bytes", 1),
}


@pytest.mark.parametrize("before", [None, b"an older file"], ids=["nothing there", "an older file there"])
@pytest.mark.parametrize(("path", "expected"), FAULTS.items(), ids=[path[1:] for path in FAULTS])
def test_a_fault_that_stays_is_one_message(server, destination, path, expected, before):
    words, requests = expected
    if before is not None:
        destination.parent.mkdir()
        destination.write_bytes(before)
    with pytest.raises(InputError) as error:
        get(server, destination, path)
    message = str(error.value)
    for word in (words, server.address + path, SUM, "What to do"):
        assert word in message
    assert len(message) < 1500
    assert len(server.asked) == requests
    assert left_in(destination) == ([] if before is None else [destination.name])
    assert before is None or destination.read_bytes() == before


def test_without_a_known_size_a_changed_file_is_refused_too(server, destination):
    with pytest.raises(InputError, match="a different file"):
        get(server, destination, "/shorter", size=None)
    assert left_in(destination) == []


def test_no_server_but_the_right_file(destination):
    destination.parent.mkdir()
    destination.write_bytes(CONTENT)
    destination.parent.chmod(0o555)  # even where nothing can be written
    try:
        fetch(["http://127.0.0.1:9/x"], destination, checksum=SUM)
    finally:
        destination.parent.chmod(0o755)
    assert left_in(destination) == [destination.name]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://[::1", "begins with https://"),
        ("http://" + "a" * 300 + "/x", "could not be downloaded"),
        ("http://127.0.0.1:99999/x", "could not be downloaded"),
        ("http://%00/x", "could not be downloaded"),
        ("file:///a%00b", "invalid URL or response"),
        ("file:///dev/zero", "not a regular file"),
        ("file:///tmp", "not a regular file"),
        ("http://127.0.0.1:9/$(touch pwned)`touch pwned`;touch pwned\n'\"", "could not be downloaded"),
    ],
)
def test_urls_without_a_file(destination, url, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        fetch([url], destination, checksum=SUM, sleep=lambda seconds: None, timeout=0.4)
    assert left_in(destination) == []
    assert not list(tmp_path.rglob("pwned"))


@pytest.fixture
def start():
    """Starts downloads in processes of their own, in which no file may become larger than `limit` bytes."""
    with contextlib.ExitStack() as started:

        def start(server, destination, path, limit=None):
            call = [sys.executable, "-m", "triptych", "download-dataset", "--urls", json.dumps([server.address + path])]
            call += ["--sha256", SUM, "--size", str(len(CONTENT)), "--archive", str(destination)]
            process = started.enter_context(
                subprocess.Popen(
                    call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=limited(limit)
                )
            )
            started.callback(process.kill)  # only what a failed test leaves is still there
            return process

        yield start


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_of_two_at_once_the_second_waits_and_fetches_nothing(server, destination, start):
    first = start(server, destination, "/waits")
    wait_for(lambda: server.asked)
    second = start(server, destination, "/waits")
    line = second.stdout.readline()
    assert f"process {first.pid} on {socket.gethostname()} is making this file; waiting for it" in line
    assert not destination.exists()
    server.release.set()
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert "already there, sha256 verified" in second.stdout.read()
    assert server.asked == ["/waits"]
    assert destination.read_bytes() == CONTENT
    assert left_in(destination) == [destination.name]


def test_where_the_first_is_killed_the_second_goes_on(server, destination, start):
    first = start(server, destination, "/stalls-then-good")
    wait_for(lambda: server.asked)
    second = start(server, destination, "/stalls-then-good")
    assert "waiting for it" in second.stdout.readline()
    wait_for(lambda: len(left_in(destination)) == 3)  # its temporary folder, its lock, and that of who waits
    first.send_signal(signal.SIGKILL)
    assert first.wait(60) == -signal.SIGKILL
    assert second.wait(60) == 0
    assert destination.read_bytes() == CONTENT
    assert left_in(destination) == [destination.name]


def test_what_a_killed_download_left_is_removed_by_the_next(server, destination, start):
    first = start(server, destination, "/stalls")
    wait_for(lambda: len(left_in(destination)) == 2)
    first.kill()
    first.wait(60)
    assert len(left_in(destination)) == 2  # its temporary folder and its lock, which is free
    get(server, destination, "/good")
    assert left_in(destination) == [destination.name]


def test_many_at_once(server, destination, start):
    processes = [start(server, destination, "/good") for _ in range(6)]
    assert [process.wait(120) for process in processes] == [0] * 6
    assert server.asked == ["/good"]
    assert left_in(destination) == [destination.name]


def refused_for_want_of_room(started, destination, reason):
    """It ends in one message that names the file, and leaves nothing."""
    said = started.communicate(timeout=60)[0]
    assert started.returncode == 1
    assert "Traceback" not in said
    assert [line for line in said.splitlines() if line.startswith("error:")] == [
        f"error: {destination}: {reason}. Fix this and rerun; no partial file was left behind."
    ]
    assert left_in(destination) == []


def test_a_full_disk(server, disk, start):
    destination = disk.folder / "file.tar.gz"
    disk.remount(f"size={len(CONTENT) // 2}")
    refused_for_want_of_room(start(server, destination, "/good"), destination, "No space left on device")
    disk.remount(f"size={2 * len(CONTENT)}")
    assert start(server, destination, "/good").wait(60) == 0
    assert destination.read_bytes() == CONTENT
    assert server.asked == ["/good"] * 2  # storage that is full is no reason to ask again


def test_a_limit_on_the_size_of_files(server, destination, start):
    refused_for_want_of_room(start(server, destination, "/good", len(CONTENT) // 2), destination, "File too large")
    assert start(server, destination, "/good").wait(60) == 0
    assert destination.read_bytes() == CONTENT
