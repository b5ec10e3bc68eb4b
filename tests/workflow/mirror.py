"""A mirror of the lecture's two downloads, made from ../shared/data and served on this machine.

That folder, with real images and weights, is no part of the repository; without it, the tests that need it are skipped.
"""

import functools
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

SHARED = ROOT.parent / "shared"
BUILD_MIRROR = SHARED / "tools" / "build_mirror.py"
DATA = [SHARED / "data" / name for name in ("cifar10-jpeg.tar.xz", "resnet18-imagenet-standin.pth")]
ARCHIVE, STATE_DICT = "cifar-10-binary.tar.gz", "resnet18-imagenet-standin.pth"

needs_mirror = pytest.mark.skipif(
    not all(path.is_file() for path in [BUILD_MIRROR, *DATA]),
    reason=f"the mirror is made from {SHARED}, which is not on this machine",
)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and remembers what was asked for."""

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *arguments):
        """Say nothing."""


@contextmanager
def serve_mirror(folder: Path, *sizes: str) -> Iterator[http.server.ThreadingHTTPServer]:
    """The running server of a mirror made in `folder`; it has the checksums of its files as `.sums`.

    `sizes` are options of build_mirror.py; without any, all images are in it.
    """
    subprocess.run([sys.executable, BUILD_MIRROR, folder, *sizes], check=True, capture_output=True, timeout=300)
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    with serve(folder) as server:
        server.sums = {name: checksum for checksum, name in (line.split() for line in lines)}
        yield server


@contextmanager
def serve(folder: Path) -> Iterator[http.server.ThreadingHTTPServer]:
    """The running server of the files in `folder`; it has the paths that were asked for as `.asked`."""
    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = []
        server.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()


def write_mirrored(name: str, folder: Path, mirror, prefix: str = "", dataset=None, weights=None) -> Path:
    """config/NAME.yaml with the mirror's files, and with more settings of the data set and of the weights."""
    raw = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
    experiment = raw["experiments"][name]
    for section, file, more in (("dataset", ARCHIVE, dataset), ("weights", STATE_DICT, weights)):
        urls = {"urls": [f"{mirror.address}{prefix}/{file}"], "sha256": mirror.sums[file]}
        experiment[section] |= {**urls, **(more or {})}
    path = folder / "mirror.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path
