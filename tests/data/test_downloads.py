"""Downloads from a server that cuts, stalls, lies or is busy: the file is whole or it is not there."""

import gzip
import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.data.server import CONTENT, Server
from tests.data.test_files import idx
from tinygrad_lite import data
from tinygrad_lite.core.errors import StateError
from tinygrad_lite.data import downloads, handwriting

SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        yield running


@pytest.fixture
def get(server, tmp_path):
    def download(*kinds, **options):
        options = {"sha256": SHA, "wait": 0.001, "timeout": 5.0, "progress": False} | options
        return data.download([f"{server.address}/{kind}/x" for kind in kinds], tmp_path / "in" / "x.bin", **options)

    return download


def left(tmp_path):
    """What lies in the folder, apart from the file that processes lock."""
    return sorted(path.name for path in (tmp_path / "in").iterdir() if path.suffix != ".lock")


@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("good", [0]),
        ("plain", [0]),
        ("chunked", [0]),
        ("busy", [0, 0, 0]),
        ("cut", [0, 70_000, 140_000, 210_000, 280_000]),
    ],
)
def test_the_file_is_whole(get, server, tmp_path, kind, begins, size):
    path = get(kind, size=size)
    assert path == tmp_path / "in" / "x.bin" and path.read_bytes() == CONTENT
    assert server.begins(kind) == begins and left(tmp_path) == ["x.bin"]
    assert path.stat().st_mode == (tmp_path / "in" / ".x.bin.lock").stat().st_mode  # that of any new file
    assert get(kind).read_bytes() == CONTENT and server.begins(kind) == begins  # nothing more is asked for


@pytest.mark.parametrize(
    ("kind", "error", "message", "begins"),
    [
        ("missing", ConnectionError, "missing/x: HTTP status 404, Not Found", [0]),
        ("cutplain", ConnectionError, "the connection ended after 70000 of 307200 bytes", [0, 70_000, 70_000]),
        ("wrong", StateError, "307200 bytes with SHA-256 [0-9a-f]{64}, and " + SHA + " is required", [0]),
        ("short", StateError, "307199 bytes with SHA-256", [0]),
    ],
)
def test_what_is_not_the_file_is_refused_and_removed(get, server, tmp_path, kind, error, message, begins):
    with pytest.raises(error, match=r"download: '.*x.bin' could not be had; [^$]*" + message):
        get(kind, attempts=3)
    assert server.begins(kind) == begins
    assert left(tmp_path) == ([".x.bin.part"] if kind == "cutplain" else [])


def test_a_known_size_is_looked_at_before_and_while_receiving(get, tmp_path):
    with pytest.raises(ConnectionError, match="it is a file of 307199 bytes, and 307200 are expected"):
        get("short", size=len(CONTENT))
    with pytest.raises(StateError, match="bytes with SHA-256"):
        get("endless", size=len(CONTENT))
    assert left(tmp_path) == []


def test_one_address_after_the_other(get, server, tmp_path):
    assert get("missing", "wrong", "cutplain", "good", attempts=2).read_bytes() == CONTENT
    assert server.begins("good") == [70_000]  # what the third had sent was gone on with
    (tmp_path / "in" / "x.bin").unlink()
    with pytest.raises(StateError, match="(?s)missing/x: HTTP status 404.*wrong/x: 307200 bytes with SHA-256"):
        get("missing", "wrong", sha256="0" * 64)


def test_no_answer_is_a_failure(get, server, capsys):
    with pytest.raises(ConnectionError, match="silent/x: .*timed out"):
        get("silent", timeout=0.05, attempts=2, progress=True)
    assert len(server.begins("silent")) == 2
    assert "timed out; trying again in 0.001 s" in capsys.readouterr().err


def test_waits_grow(get, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with pytest.raises(ConnectionError):
        data.download("http://127.0.0.1:9/x", "x", sha256=SHA, attempts=5, wait=0.5, progress=False)
    assert waits == [0.5, 1, 2, 4]
    waits.clear()
    get("cut")
    assert waits == [1e-3] * 4  # each time something came


@pytest.mark.parametrize("kind", ["good", "plain", "shifted"])
@pytest.mark.parametrize("there", [CONTENT[:100_000], CONTENT, b"of another file", CONTENT + b"too long"])
def test_what_an_earlier_call_left_is_gone_on_with(get, server, tmp_path, kind, there):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / ".x.bin.part").write_bytes(there)
    kinds = ("shifted", "good") if kind == "shifted" else (kind,)  # that never sends the right part
    assert get(*kinds).read_bytes() == CONTENT and left(tmp_path) == ["x.bin"]
    first = server.begins(kind)[0]
    assert first == len(there)
    if kind == "good":
        assert server.begins("good")[1:] == ([] if there == CONTENT[: len(there)] else [0])


def test_a_damaged_file_in_its_place_is_replaced(get, server, tmp_path):
    path = get("good")
    path.write_bytes(CONTENT[:-5])
    with pytest.warns(UserWarning, match="download: '.*x.bin' is damaged and is downloaded again"):
        assert get("good").read_bytes() == CONTENT
    path.write_bytes(b"!" + CONTENT[1:])
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(ConnectionError, match="404"):
        get("missing")
    assert left(tmp_path) == []


def test_without_locks_each_process_has_its_own_part(get, server, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert get("cut").read_bytes() == CONTENT
    (tmp_path / "in" / "x.bin").unlink()
    with pytest.raises(ConnectionError):
        get("cutplain", attempts=1)
    assert left(tmp_path) == []


PROGRAM = """
import sys
from tinygrad_lite import data
data.download(sys.argv[1], sys.argv[2], sha256=sys.argv[3], progress=False, wait=0.01)
print("done")
"""


def start(*arguments):
    root = Path(__file__).parents[2]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *map(str, arguments)], cwd=root, stdout=subprocess.PIPE)


def test_processes_at_once_download_once(server, tmp_path):
    path = tmp_path / "in" / "x.bin"
    processes = [start(f"{server.address}/slow/x", path, SHA) for _ in range(4)]
    assert [process.communicate(timeout=60)[0] for process in processes] == [b"done\n"] * 4
    assert path.read_bytes() == CONTENT and server.begins("slow") == [0] and left(tmp_path) == ["x.bin"]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_download_is_gone_on_with(get, server, tmp_path):
    process = start(f"{server.address}/slow/x", tmp_path / "in" / "x.bin", SHA)
    part = tmp_path / "in" / ".x.bin.part"
    deadline = time.monotonic() + 30
    while not (part.is_file() and part.stat().st_size > 50_000) and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert left(tmp_path) == [".x.bin.part"]
    received = part.stat().st_size
    assert get("good").read_bytes() == CONTENT and server.begins("good") == [received] and received > 50_000


def test_only_web_addresses(tmp_path):
    for address in ("file:///etc/hosts", "ftp://example.org/x", "x"):
        with pytest.raises(ValueError, match="download: '.*' is no address that begins with http:// or https://"):
            data.download(address, tmp_path / "x", sha256=SHA)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "~/.cache/tinygrad_lite"),
        ("linux", {"XDG_CACHE_HOME": "/tmp/c"}, "/tmp/c/tinygrad_lite"),
        ("darwin", {}, "~/Library/Caches/tinygrad_lite"),
        ("win32", {}, "~/AppData/Local/tinygrad_lite"),
        ("win32", {"LOCALAPPDATA": "/tmp/l"}, "/tmp/l/tinygrad_lite"),
        ("linux", {"TINYGRAD_LITE_DATA": "~/mine", "XDG_CACHE_HOME": "/tmp/c"}, "~/mine"),
    ],
)
def test_the_cache_is_where_the_platform_has_it(monkeypatch, platform, environment, expected):
    for name in ("TINYGRAD_LITE_DATA", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(downloads.sys, "platform", platform)
    assert data.cache_folder() == Path(expected).expanduser()


IMAGES = np.random.default_rng(0).integers(0, 256, (7, 28, 28), np.uint8)
ARRAYS = dict(
    zip(
        handwriting.MNIST_FILES,
        (IMAGES, np.arange(7, dtype=np.uint8), IMAGES[:3], np.arange(3, dtype=np.uint8)),
        strict=True,
    )
)


def same_as_arrays(pairs):
    found = [array for pair in pairs for array in pair]
    assert [array.dtype for array in found] == [np.float32, np.int64] * 2
    for array, expected, scale in zip(found, ARRAYS.values(), (255, 1, 255, 1), strict=True):
        np.testing.assert_allclose(array * scale, expected, rtol=1e-6)
    return True


@pytest.fixture
def small_mnist(server, monkeypatch, tmp_path):
    """A MNIST of ten images on the server."""
    server.files = {name: gzip.compress(idx(array)) for name, array in ARRAYS.items()}
    facts = {name: (hashlib.sha256(raw).hexdigest(), len(raw)) for name, raw in server.files.items()}
    monkeypatch.setattr(handwriting, "MNIST_FILES", facts)
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path / "cache"))
    return server


def test_mnist_is_downloaded_once(small_mnist, tmp_path):
    mirrors = [f"{small_mnist.address}/missing/", f"{small_mnist.address}/cut"]
    assert same_as_arrays(data.mnist(mirrors=mirrors, progress=False))
    count = len(small_mnist.requests)
    assert count == 8 and same_as_arrays(data.mnist(mirrors=mirrors, progress=False))
    assert len(small_mnist.requests) == count
    damaged = tmp_path / "cache" / "mnist" / "t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    with pytest.warns(UserWarning, match="'.*t10k-labels-idx1-ubyte.gz' is damaged and is downloaded again"):
        assert same_as_arrays(data.mnist(mirrors=mirrors, progress=False))
    damaged.unlink()
    with pytest.raises(ConnectionError, match="'.*t10k-labels.*' could not be had; look at the network, or put"):
        data.mnist(mirrors=mirrors[:1], progress=False)


def test_mnist_from_files_at_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(handwriting, "download", None)
    for number, change in enumerate(
        (str, lambda name: name.removesuffix(".gz"), lambda name: name.removesuffix(".gz").replace("-idx", ".idx"))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, array in ARRAYS.items():
            raw = idx(array)
            (folder / change(name)).write_bytes(gzip.compress(raw) if not number else raw)
        assert same_as_arrays(data.mnist(folder))
    for names in ("x_train y_train x_test y_test", "train_images train_labels test_images test_labels"):
        np.savez(tmp_path / "x.npz", **dict(zip(names.split(), ARRAYS.values(), strict=True)))
        assert same_as_arrays(data.mnist(tmp_path / "x.npz"))
    (folder / "train-labels.idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="neither 'train-labels-idx1-ubyte.gz' nor 'train-labels-idx1-ubyte'"):
        data.mnist(folder)
    (folder / "train-labels.idx1-ubyte").write_bytes(idx(np.arange(6, dtype=np.uint8)))
    with pytest.raises(StateError, match=r"hold images \(7, 28, 28\) and labels \(6,\); \(n, 28, 28\) and \(n,\)"):
        data.mnist(folder)
    with pytest.raises(FileNotFoundError, match="mnist: there is no folder '.*none'"):
        data.mnist(tmp_path / "none")
    np.savez(tmp_path / "y.npz", images=IMAGES)
    with pytest.raises(StateError, match="mnist: '.*y.npz' holds images; see mnist's folder= for the names"):
        data.mnist(tmp_path / "y.npz")
    np.save(tmp_path / "z.npy", IMAGES)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:900])
    (tmp_path / "empty.npz").touch()
    for name in ("z.npy", "cut.npz", "empty.npz"):
        with pytest.raises(StateError, match=f"mnist: '.*{name}' is no .npz file, or damaged"):
            data.mnist(tmp_path / name)


def test_the_checksums_are_whole():
    for name, (sha256, size) in handwriting.MNIST_FILES.items():
        assert len(bytes.fromhex(sha256)) == 32 and size > 4000 and name.endswith("-ubyte.gz")
