"""Malicious archives: nothing is written or executed, memory is bounded, and there is one message each."""

import gzip
import io
import subprocess
import sys
import tarfile

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.test_cifar import BATCHES, cifar10_members, write_archive
from triptych.data.cifar import read_cifar
from triptych.data.sources import cifar10
from triptych.storage.errors import InputError

TRAIN, TEST = 100, 20
HUGE = 100 << 30
VICTIM = BATCHES[2]


def archive_of(path, entries):
    """An archive of (TarInfo, content) pairs."""
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for info, content in entries:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def plain(name, content):
    return tarfile.TarInfo(name), content


def entries_with(replaced):
    """Return the entries of a valid archive, with those of the victim replaced."""
    entries = []
    for name, content in cifar10_members().items():
        entries += replaced(content) if name == VICTIM else [plain(f"cifar/{name}", content)]
    return entries


def special(kind, target="", name=VICTIM):
    info = tarfile.TarInfo(f"cifar/{name}")
    info.type, info.linkname = kind, target
    info.devmajor, info.devminor = 1, 5
    return info


def sparse(size, content=b"1\n0\n1\n" + bytes(506) + b"x" + bytes(511)):
    info = tarfile.TarInfo(f"cifar/{VICTIM}")
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": f"cifar/{VICTIM}",
        "GNU.sparse.realsize": str(size),
    }
    return info, content


HARMLESS = {
    "an absolute path": lambda content: [plain(f"/{{outside}}/{VICTIM}", content)],
    "a path that leads up": lambda content: [plain(f"../../../{{outside}}/{VICTIM}", content)],
    "a link beside it": lambda content: [
        (special(tarfile.SYMTYPE, "/etc/passwd", "passwd"), b""),
        plain(f"cifar/{VICTIM}", content),
    ],
}
REFUSED = {
    "a symbolic link": (lambda content: [(special(tarfile.SYMTYPE, "/etc/passwd"), b"")], "no data_batch_3.bin"),
    "a hard link": (lambda content: [(special(tarfile.LNKTYPE, f"cifar/{BATCHES[0]}"), b"")], "no data_batch_3.bin"),
    "a hard link to outside": (lambda content: [(special(tarfile.LNKTYPE, "/etc/passwd"), b"")], "no data_batch_3"),
    "a character device": (lambda content: [(special(tarfile.CHRTYPE), b"")], "no data_batch_3.bin"),
    "a block device": (lambda content: [(special(tarfile.BLKTYPE), b"")], "no data_batch_3.bin"),
    "a pipe": (lambda content: [(special(tarfile.FIFOTYPE), b"")], "no data_batch_3.bin"),
    "a folder": (lambda content: [(special(tarfile.DIRTYPE), b"")], "no data_batch_3.bin"),
    "a file with holes": (lambda content: [sparse(3073)], "no data_batch_3.bin"),
    "a huge file with holes": (lambda content: [sparse(HUGE)], "'data_batch_3.bin' decompresses to more than"),
    "it twice": (lambda content: [plain(f"a/{VICTIM}", content)] * 2, "contains data_batch_3.bin more than once"),
    "a link after it": (
        lambda content: [plain(f"cifar/{VICTIM}", content), (special(tarfile.SYMTYPE, "/etc/passwd"), b"")],
        "contains data_batch_3.bin more than once",
    ),
    "names that a terminal obeys": (lambda content: [plain("\x1b[2J\n\x07", content)], "no data_batch_3.bin"),
}


@pytest.mark.parametrize("replaced", HARMLESS.values(), ids=HARMLESS)
def test_the_folder_of_a_member_is_ignored(tmp_path, replaced):
    outside = tmp_path / "outside"
    path = archive_of(
        tmp_path / "c.tar.gz",
        entries_with(
            lambda content: [
                (tarfile.TarInfo(info.name.replace("{outside}", str(outside))), text)
                if info.type == tarfile.REGTYPE
                else (info, text)
                for info, text in replaced(content)
            ]
        ),
    )
    found = read_cifar(cifar10.LAYOUT, path, TRAIN, TEST)
    expected = read_cifar(cifar10.LAYOUT, write_archive(tmp_path / "right.tar.gz", cifar10_members()), TRAIN, TEST)
    assert numpy.array_equal(found.images, expected.images)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["c.tar.gz", "right.tar.gz"]


@pytest.mark.parametrize(("replaced", "message"), REFUSED.values(), ids=REFUSED)
def test_only_regular_files_count(tmp_path, replaced, message):
    path = archive_of(tmp_path / "c.tar.gz", entries_with(replaced))
    with pytest.raises(InputError, match=message) as error:
        read_cifar(cifar10.LAYOUT, path, TRAIN, TEST)
    assert str(error.value).isprintable()
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.tar.gz"]


@pytest.mark.parametrize("name", ["a\x1b[2J", "x" * 101, "\x00"])
def test_names_of_classes_that_cannot_be_shown(tmp_path, name):
    names = "\n".join([name, *(f"class{number}" for number in range(9))])
    path = write_archive(tmp_path / "c.tar.gz", {**cifar10_members(), "batches.meta.txt": names.encode()})
    with pytest.raises(InputError, match=r"batches\.meta\.txt has a class name that is unprintable"):
        read_cifar(cifar10.LAYOUT, path, TRAIN, TEST)


def bomb(path, kind, name):
    """Return an archive with a member of 100 GB by its header; its first 300 MB follow, compressed to 300 kB."""
    info = tarfile.TarInfo(name)
    info.size, info.type = HUGE, kind
    info.mode = 0o644
    header = info.tobuf(tarfile.GNU_FORMAT)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header)
        for _ in range(300):
            file.write(bytes(1 << 20))
    return path


MEASURE = """
import resource, sys, time
from pathlib import Path
from triptych.data.cifar import read_cifar
from triptych.data.sources import cifar10
from triptych.storage.errors import InputError
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
try:
    read_cifar(cifar10.LAYOUT, Path(sys.argv[1]), 100, 20)
except InputError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, time.process_time() - start, error)
"""


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (tarfile.REGTYPE, VICTIM),
        (tarfile.REGTYPE, "other"),
        (tarfile.XHDTYPE, "pax"),
        (tarfile.XGLTYPE, "pax"),
        (tarfile.GNUTYPE_LONGNAME, "long"),
        (tarfile.GNUTYPE_SPARSE, VICTIM),
    ],
    ids=["a batch", "another file", "a header", "a header of all", "a name", "a file with holes"],
)
def test_100_gb_of_zeros_stop_at_once(tmp_path, kind, name):
    path = bomb(tmp_path / "c.tar.gz", kind, name)
    assert path.stat().st_size < 4_000_000
    done = subprocess.run([sys.executable, "-c", MEASURE, path], capture_output=True, text=True, check=True)
    kilobytes, seconds, message = done.stdout.split(" ", 2)
    assert "decompresses to more than" in message
    assert int(kilobytes) < 300_000
    assert float(seconds) < 10


VALID = b""


@pytest.fixture(scope="module", autouse=True)
def right_archive(tmp_path_factory):
    global VALID
    path = write_archive(tmp_path_factory.mktemp("right") / "c.tar.gz", cifar10_members())
    VALID = gzip.decompress(path.read_bytes())


CHANGES = st.lists(
    st.tuples(st.one_of(st.integers(0, 400_000), st.integers(0, 1600)), st.binary(min_size=1, max_size=12)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(CHANGES, st.booleans(), st.integers(0, 100))
def test_a_damaged_archive_is_read_or_refused(tmp_path_factory, changes, fix_checksum, cut):
    content = bytearray(VALID)
    for offset, new in changes:
        content[offset : offset + len(new)] = new
    if fix_checksum:  # of the first header, so that tarfile accepts it
        content[148:156] = b" " * 8
        content[148:156] = b"%06o\0 " % sum(content[:512])
    path = tmp_path_factory.getbasetemp() / "damaged.tar.gz"
    path.write_bytes(gzip.compress(bytes(content[: len(content) - cut * 3000 if cut > 90 else None]), 1))
    try:
        found = read_cifar(cifar10.LAYOUT, path, TRAIN, TEST)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert len(found.images) == TRAIN + TEST


def test_a_thousand_headers_in_a_row_do_not_end_the_program(tmp_path):
    info = tarfile.TarInfo("x" * 300)
    header = info.create_gnu_header(info.get_info(), "utf-8", "surrogateescape")[:1536][:1024]
    path = tmp_path / "c.tar.gz"
    path.write_bytes(gzip.compress(header * 2000))
    with pytest.raises(InputError, match=r"c\.tar\.gz"):
        read_cifar(cifar10.LAYOUT, path, TRAIN, TEST)
