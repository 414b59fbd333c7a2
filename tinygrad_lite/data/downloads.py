"""Downloading files: checked, tried again, resumed, and put in their place only when they are whole."""

from __future__ import annotations

import hashlib
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.errors import StateError

__all__ = ["cache_folder", "download"]


def cache_folder() -> Path:
    """Where downloaded data are kept: the environment variable TINYGRAD_LITE_DATA, or the platform's folder for caches.

    That is `$XDG_CACHE_HOME/tinygrad_lite` or `~/.cache/tinygrad_lite` on Linux, `~/Library/Caches/tinygrad_lite` on
    macOS, `tinygrad_lite` in `%LOCALAPPDATA%` on Windows. What lies there may be deleted; it is downloaded again.

    >>> import os
    >>> os.environ["TINYGRAD_LITE_DATA"] = "downloads"
    >>> data.cache_folder().name
    'downloads'
    >>> del os.environ["TINYGRAD_LITE_DATA"]
    """
    chosen = os.environ.get("TINYGRAD_LITE_DATA")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tinygrad_lite"


def download(
    url: str | Sequence[str],
    path: str | os.PathLike,
    *,
    sha256: str,
    size: int | None = None,
    attempts: int = 4,
    timeout: float = 20.0,
    wait: float = 1.0,
    progress: bool = True,
) -> Path:
    """Have the file with this checksum at `path`: at once if it is there, else from the first of several addresses.

    url : http or https; of several, the next is tried when one fails.
    sha256 : 64 hexadecimal digits. A file that does not have it is removed, and another address tried.
    size : in bytes, if it is known; an address that offers another size is passed over.
    attempts : how often an address is tried without receiving anything new, `wait` seconds after the first failure and
        twice as long after each further one. timeout : seconds without an answer or data that count as a failure.
    progress : show a bar on a terminal, and why something is tried again.

    What was received of a file is kept beside it under a hidden name, and gone on with where the server can do so, in
    this call or a later one. Processes that download one file at once wait for the first of them.

    Raises ConnectionError if no address gives the file, StateError if one gives something else, ValueError for another
    kind of address.

    >>> import hashlib, pathlib
    >>> size = pathlib.Path("x.txt").write_bytes(b"at hand")
    >>> data.download("https://example.org/x.txt", "x.txt", sha256=hashlib.sha256(b"at hand").hexdigest()).name
    'x.txt'
    """
    from http.client import HTTPException  # with what else speaks HTTP it takes 50 ms, too long at import

    from ..io import replacing

    urls, path = [url] if isinstance(url, str) else list(url), Path(path)
    for address in urls:
        if not address.startswith(("http://", "https://")):
            raise ValueError(f"download: {address!r} is no address that begins with http:// or https://.")
    if path.is_file() and _digest(path) == sha256.lower():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path) as partial:
        if path.is_file():
            if _digest(path) == sha256.lower():
                return path  # another process was faster
            warnings.warn(f"download: {str(path)!r} is damaged and is downloaded again.", stacklevel=2)
            path.unlink()
        failures, wrong = [], False
        for address in urls:
            try:
                found = _whole(address, partial, sha256.lower(), size, attempts, timeout, wait, path.name, progress)
            except (OSError, HTTPException) as error:
                failures.append(f"{address}: {error}")
                continue
            if found is None:
                with replacing(path) as temporary:
                    os.replace(partial, temporary)
                return path
            failures.append(f"{address}: {found}")
            wrong = True
    kind = StateError if wrong else ConnectionError
    hint = "what came was removed" if wrong else "look at the network, or put the file there yourself"
    raise kind(f"download: {str(path)!r} could not be had; {hint}.\n" + "\n".join(failures))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _alone(path: Path) -> Iterator[Path]:
    """The name of the partial file, with no other process at it; where files cannot be locked, a name of our own."""
    try:
        import fcntl
    except ImportError:  # Windows
        with _own_name(path) as partial:
            yield partial
        return
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:  # some network folders
            with _own_name(path) as partial:
                yield partial
            return
        yield path.with_name(f".{path.name}.part")


@contextmanager
def _own_name(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


class _Refused(OSError):
    """An answer that will not change by asking again."""


def _whole(
    url: str, partial: Path, sha256: str, size: int | None, attempts: int, timeout: float, wait: float, *show: Any
) -> str | None:
    """Bring the partial file to its end. What is wrong with it, which is then removed; None if nothing is."""
    resumed = partial.is_file()
    _fetch(url, partial, size, attempts, timeout, wait, *show)
    digest = _digest(partial)
    if digest == sha256:
        return None
    found = f"{partial.stat().st_size} bytes with SHA-256 {digest}, and {sha256} is required"
    partial.unlink()
    # What an earlier call had left may have been of another file.
    return _whole(url, partial, sha256, size, attempts, timeout, wait, *show) if resumed else found


def _fetch(
    url: str, partial: Path, size: int | None, attempts: int, timeout: float, wait: float, name: str, progress: bool
) -> None:
    from http.client import HTTPException

    failed, furthest = 0, _length(partial)
    while True:
        try:
            _transfer(url, partial, size, timeout, name, progress)
            return
        except _Refused:
            raise
        except (OSError, HTTPException) as error:  # OSError holds URLError, timeouts and lost connections
            failed = 1 if _length(partial) > furthest else failed + 1
            furthest = max(furthest, _length(partial))
            if failed >= attempts:
                raise
            pause = wait * 2 ** (failed - 1)
            if progress:
                print(f"download: {url}: {error}; trying again in {pause:g} s", file=sys.stderr, flush=True)
        time.sleep(pause)


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _transfer(url: str, partial: Path, size: int | None, timeout: float, name: str, progress: bool) -> None:
    """One request for what is missing of the partial file."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    from tqdm import tqdm

    have = _length(partial)
    if size is not None and have >= size:
        return
    headers = {"User-Agent": "tinygrad_lite", "Accept-Encoding": "identity"}
    request = Request(url, headers=headers | ({"Range": f"bytes={have}-"} if have else {}))
    try:
        response = urlopen(request, timeout=timeout)
    except HTTPError as error:
        with error:
            if error.code == 416 and have:  # nothing after what is here: the checksum decides
                return
            kind = ConnectionError if error.code in (408, 425, 429) or error.code >= 500 else _Refused
            raise kind(f"HTTP status {error.code}, {error.reason}") from error
    with response:
        start = have if response.status == 206 else 0  # a server that cannot resume sends the whole file
        announced = response.headers.get("Content-Length")
        total = start + int(announced) if announced else size
        if size is not None and total != size:
            raise _Refused(f"it is a file of {total} bytes, and {size} are expected")
        with (
            partial.open("ab" if start else "wb") as file,
            tqdm(
                desc=name, total=total, initial=start, unit="B", unit_scale=True, disable=None if progress else True
            ) as bar,
        ):
            while chunk := response.read(1 << 16):
                bar.update(file.write(chunk))
                if total is not None and file.tell() > total:
                    return
    if total is not None and _length(partial) < total:
        raise ConnectionError(f"the connection ended after {_length(partial)} of {total} bytes")
