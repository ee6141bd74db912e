"""Reads a zip that a stranger made: each member into memory, as far as it may go, and none onto a disk."""

import json
import math
import re
import stat
import struct
import zipfile
from itertools import pairwise
from typing import Any, BinaryIO, NoReturn

import numpy as np

from pg_core.config import ConfigError
from pg_core.runs.exchange.archive import MAX_BYTES, MAX_FILE, MAX_JSON, MAX_MEMBERS, header
from pg_core.runs.store.records import Array

END, LOCATOR, LOCAL_HEADER = b"PK\x05\x06", b"PK\x06\x07", 30
MAX_DIRECTORY = 128 * MAX_MEMBERS  # bytes: 46 and a name of at most 23 for each member, and what other programs add
CHUNK = 2**20  # bytes that are unpacked at a time
NAMES = re.compile(r"(manifest|config|changes)\.json|(updates|checkpoints|policies)/[0-9]{7}\.npy", re.ASCII)


class ImportRefused(ConfigError):
    """Raised when a file is no exported run; its message names the member and the rule."""


class Members:
    """The members of an exported run.

    Args:
        file: seekable; read from its start.

    Raises:
        ImportRefused: it is too large, no zip, or has a member that no export has.
    """

    def __init__(self, file: BinaryIO) -> None:
        _check_end(file)
        try:
            self._zip = zipfile.ZipFile(file)
        except Exception as error:  # bytes can be wrong in any way
            raise ImportRefused(f"The file is not a zip that can be read: {_line(error)}.") from None
        if len(self._zip.infolist()) > MAX_MEMBERS:  # whatever the end says
            raise ImportRefused(f"The file must have at most {MAX_MEMBERS:,} members.")
        self._infos = {info.filename: info for info in self._zip.infolist()}
        if len(self._infos) != len(self._zip.infolist()):
            raise ImportRefused("The file holds two members of one name.")
        for info in self._zip.infolist():
            _check(info)
        _check_overlaps(self._zip.infolist())
        self._left = MAX_BYTES

    @property
    def names(self) -> set[str]:
        """Names of all members."""
        return set(self._infos)

    def json(self, name: str) -> Any:
        """Return what a JSON file says; no key may be there twice, no number be NaN or infinite."""
        data = self._read(name, MAX_JSON)
        try:
            return json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_refuse, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            raise ImportRefused(f"`{name}` is not JSON that can be read: {_line(error)}.") from None

    def array(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        """Return the array of an npy file, which must be of this type and shape."""
        expected = header(dtype, shape)
        size = len(expected) + dtype.itemsize * math.prod(shape)
        data = self._read(name, size)
        if len(data) != size or not data.startswith(expected):
            raise ImportRefused(
                f"`{name}` must be an array of shape {shape} and of the type that follows from the config, {size:,} "
                "bytes in all; it is not."
            )
        return np.frombuffer(data, dtype, offset=len(expected)).reshape(shape)

    def _read(self, name: str, limit: int) -> bytearray:
        """Return a member's bytes; what its header says of its size is not believed."""
        if name not in self._infos:
            raise ImportRefused(f"`{name}` is missing.")
        data = bytearray()  # which grows in place, where `read` puts bytes together anew with each that come
        try:
            with self._zip.open(self._infos[name]) as member:
                while chunk := member.read(min(CHUNK, limit + 1 - len(data))):
                    data += chunk
        except Exception as error:  # bytes can be wrong in any way
            raise ImportRefused(f"`{name}` cannot be read: {_line(error)}.") from None
        self._left -= len(data)
        if len(data) > limit:
            raise ImportRefused(f"`{name}` must have at most {limit:,} bytes, it has more.")
        if self._left < 0:
            raise ImportRefused(f"All members together must have at most {MAX_BYTES:,} bytes, they have more.")
        return data


def _check_end(file: BinaryIO) -> None:
    """Refuse a file that is too long, or whose directory is not a short one at its very end, before it is read."""
    size = file.seek(0, 2)
    if size > MAX_FILE:
        raise ImportRefused(f"The file must have at most {MAX_FILE:,} bytes, got {size:,}.")
    file.seek(max(0, size - 42))
    tail = file.read(42)
    if tail[-22:-18] != END:
        raise ImportRefused("The file is not the zip of an exported run: its end is missing, or something follows it.")
    disk, first, here, members, length, offset, comment = struct.unpack("<4H2LH", tail[-18:])
    if members > MAX_MEMBERS:
        raise ImportRefused(f"The file must have at most {MAX_MEMBERS:,} members, got {members:,}.")
    if length > MAX_DIRECTORY:  # all of which `zipfile` would read
        raise ImportRefused(f"The directory of the file must have at most {MAX_DIRECTORY:,} bytes, got {length:,}.")
    if (disk, first, here, comment) != (0, 0, members, 0) or offset + length + 22 != size or tail[:4] == LOCATOR:
        raise ImportRefused("The directory at the end of the file is not as an export writes it.")


def _check(info: zipfile.ZipInfo) -> None:
    shown = ascii(info.filename[:80])
    if not NAMES.fullmatch(info.filename):
        raise ImportRefused(f"The file has a member {shown}, which no export has.")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise ImportRefused(f"{shown} must be a regular file.")
    if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ImportRefused(f"{shown} must be stored or deflated, and not encrypted.")


def _check_overlaps(infos: list[zipfile.ZipInfo]) -> None:
    """Refuse members that overlap: few bytes could be a great many files."""
    for one, after in pairwise(sorted(infos, key=lambda info: info.header_offset)):
        if one.header_offset + LOCAL_HEADER + len(one.filename) + one.compress_size > after.header_offset:
            raise ImportRefused(f"`{one.filename}` and `{after.filename}` lie upon each other.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _finite(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _refuse(text)


def _line(error: object) -> str:
    return ascii(" ".join(str(error).split()))[1:-1].rstrip(".")[:200]
