"""Zips that no lab has written, each made from the members of a run of two agents that has done six updates."""

import io
import json
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

UPDATES_FILE, CHECKPOINT_FILE = "updates/0000000.npy", "checkpoints/0000006.npy"
Parts = dict[str, bytes]


def pack(parts: Parts, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as packed:
        for name, data in parts.items():
            packed.writestr(zipfile.ZipInfo(name), data, compression)
    return file.getvalue()


def with_json(parts: Parts, member: str, /, **values: object) -> Parts:
    return {**parts, member: json.dumps({**json.loads(parts[member]), **values}).encode()}


def with_array(parts: Parts, name: str, field: str, value: object, row: int | None = None) -> Parts:
    """Return the members with other numbers in a field of an array."""
    array = np.load(io.BytesIO(parts[name]))
    (array if row is None else array[row : row + 1])[field] = value
    file = io.BytesIO()
    np.save(file, array)
    return {**parts, name: file.getvalue()}


def saved(array: object, **options: object) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def added(parts: Parts, name: str) -> Parts:
    return {**parts, name: b"evil"}


def link(parts: Parts) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, data in parts.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name == "config.json" else 0o100644) << 16
            packed.writestr(info, b"/etc/passwd" if name == "config.json" else data)
    return file.getvalue()


def twice(parts: Parts) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "w") as packed:
        for name in (*parts, "config.json"):
            packed.writestr(name, parts[name])
    return file.getvalue()


def encrypted(parts: Parts) -> bytes:
    """Set the flag of encryption at every member, in its header and in the directory."""
    data = pack(parts)
    return data.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")


def overlapping(parts: Parts) -> bytes:
    """Have the second member of the directory begin within the first."""
    data = bytearray(pack(parts, zipfile.ZIP_STORED))
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 1)
    data[second + 42 : second + 46] = struct.pack("<L", 10)
    return bytes(data)


def lying(parts: Parts) -> bytes:
    """Say in the directory that a bomb is as small as it should be."""
    size = len(parts[UPDATES_FILE])
    data = bytearray(pack({**parts, UPDATES_FILE: parts[UPDATES_FILE] + bytes(10_000_000)}))
    place = data.rindex(UPDATES_FILE.encode()) - 46
    data[place + 24 : place + 28] = struct.pack("<L", size)
    return bytes(data)


def wrong_crc(parts: Parts) -> bytes:
    data = bytearray(pack(parts))
    place = data.rindex(b"config.json") - 46
    data[place + 16 : place + 20] = struct.pack("<L", zlib.crc32(b"another"))
    return bytes(data)


def zip64(parts: Parts) -> bytes:
    """Hide a directory of 64 bits behind the old one."""
    data = pack(parts)
    end, start = data[-22:], len(data) - 22
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**40, 2**40, 2**40, 0)
    return data[:-22] + record + struct.pack("<4sLQL", b"PK\x06\x07", 0, start, 1) + end


def many_entries(parts: Parts) -> bytes:
    """Have the directory hold 10,000 entries more than the end says."""
    data = pack(parts)
    start, length = struct.unpack("<L", data[-6:-2])[0], len(data) - 22 - struct.unpack("<L", data[-6:-2])[0]
    directory = data[start:-22] + 10_000 * (struct.pack("<4s38xL", b"PK\x01\x02", 0))
    assert len(directory) == length + 460_000
    end = data[-22:-10] + struct.pack("<2L2x", len(directory), start)
    return data[:start] + directory + end


def some_entries(parts: Parts) -> bytes:
    """Have the directory hold as many entries as its length allows, each without a name."""
    data, entries = pack({}), 4_000
    return entries * struct.pack("<4s38xL", b"PK\x01\x02", 0) + data[:-10] + struct.pack("<2L2x", entries * 46, 0)


def other_changes(parts: Parts, *changes: dict, update: int | None = 3) -> Parts:
    """Return the members with other changes, the last in force from update 3 on."""
    updates = [update] * (len(changes) - 1) + [update if len(changes) == 1 else 3]
    said = [{"values": v, "update": u, "requested_at": 1.0} for v, u in zip(changes, updates, strict=True)]
    return {**parts, "changes.json": json.dumps(said).encode()}


Make = Callable[[Parts], Parts | bytes]
NAN, HUGE = float("nan"), 10**400
HOSTILE: dict[str, tuple[Make, str]] = {
    "empty": (lambda p: b"", "its end is missing"),
    "no zip": (lambda p: b"PK" * 100, "its end is missing"),
    "truncated": (lambda p: pack(p)[:-30], "its end is missing"),
    "something after": (lambda p: pack(p) + b"#!/bin/sh", "something follows it"),
    "something before": (lambda p: b"#!/bin/sh\n" + pack(p), "not as an export writes it"),
    "no member": (lambda p: {}, "`manifest.json` is missing"),
    "traversal": (lambda p: added(p, "../../evil"), "a member '../../evil', which no export has"),
    "inner traversal": (lambda p: added(p, "updates/../evil.npy"), "which no export has"),
    "absolute": (lambda p: added(p, "/tmp/evil"), "which no export has"),
    "backslashes": (lambda p: added(p, "..\\evil.npy"), "which no export has"),
    "drive": (lambda p: added(p, "C:evil"), "which no export has"),
    "line feed": (lambda p: added(p, "config.json\n"), "which no export has"),
    "other digits": (lambda p: added(p, "updates/000000\u0660.npy"), "which no export has"),
    "folder": (lambda p: added(p, "updates/"), "which no export has"),
    "pickle": (lambda p: added(p, "checkpoints/0000006.pkl"), "which no export has"),
    "many members": (lambda p: {**p, **{f"policies/{i:07}.npy": b"" for i in range(1501)}}, "at most 1,500 members"),
    "more members than it says": (many_entries, "must have at most 192,000 bytes, got 46"),
    "somewhat more": (some_entries, "must have at most 1,500 members"),
    "twice": (twice, "two members of one name"),
    "link": (link, "'config.json' must be a regular file"),
    "encrypted": (encrypted, "not encrypted"),
    "bzip2": (lambda p: pack(p, zipfile.ZIP_BZIP2), "must be stored or deflated"),
    "lzma": (lambda p: pack(p, zipfile.ZIP_LZMA), "must be stored or deflated"),
    "overlapping": (overlapping, "lie upon each other"),
    "zip64": (zip64, "not as an export writes it"),
    "wrong sum": (wrong_crc, "`config.json` cannot be read: Bad CRC-32"),
    "bomb": (lambda p: {**p, "config.json": b" " * 10**8}, "`config.json` must have at most 4,194,304 bytes"),
    "array bomb": (lambda p: {**p, UPDATES_FILE: p[UPDATES_FILE] + bytes(10**8)}, f"`{UPDATES_FILE}` must have"),
    "lying bomb": (lying, f"`{UPDATES_FILE}` cannot be read"),
    "missing updates": (lambda p: {n: d for n, d in p.items() if n != UPDATES_FILE}, f"`{UPDATES_FILE}` is missing"),
    "other updates": (lambda p: {**p, "updates/0000001.npy": p[UPDATES_FILE]}, "holds none of the run's 6 updates"),
    "manifest no object": (lambda p: {**p, "manifest.json": b"[]"}, "`manifest.json`"),
    "more in manifest": (lambda p: with_json(p, "manifest.json", id="mine"), "`id` is not as an export writes it"),
    "other format": (lambda p: with_json(p, "manifest.json", format_version=5), "`format_version`"),
    "bool for a number": (lambda p: with_json(p, "manifest.json", updates=True), "`updates`"),
    "huge count": (lambda p: with_json(p, "manifest.json", updates=HUGE), "`updates`"),
    "many digits": (lambda p: {**p, "manifest.json": b"[" + b"9" * 5000 + b"]"}, "is not JSON that can be read"),
    "infinite": (lambda p: {**p, "manifest.json": b"[1e999]"}, "1e999 is no number"),
    "nan": (lambda p: {**p, "manifest.json": b"[NaN]"}, "NaN is no number"),
    "deep": (lambda p: {**p, "manifest.json": b"[" * 10**6}, "is not JSON that can be read"),
    "key twice": (lambda p: {**p, "config.json": b'{"seed": 1, "seed": 2}'}, "a key is there twice"),
    "no text": (lambda p: {**p, "config.json": b"\xff\xfe"}, "is not JSON that can be read"),
    "hostile name": (lambda p: with_json(p, "manifest.json", name="\x1b[31m"), "`name` must have printable"),
    "half a character": (lambda p: with_json(p, "manifest.json", name="\ud800"), "`name` must have printable"),
    "long note": (lambda p: with_json(p, "manifest.json", note="x" * 2001), "`note` must have 0 to 2000"),
    "many tags": (lambda p: with_json(p, "manifest.json", tags=list("abcdefghi")), "`tags` must be at most 8"),
    "hostile reason": (lambda p: with_json(p, "manifest.json", reason="\u202e"), "`reason` must have printable"),
    "unknown state": (lambda p: with_json(p, "manifest.json", state="evil"), "`state`"),
    "unknown environment": (lambda p: with_json(p, "config.json", env_id="Evil-v0"), "registered Gymnasium"),
    "code to import": (lambda p: with_json(p, "config.json", env_id="antigravity:Evil-v0"), "must not name a module that"),
    "code that is there": (lambda p: with_json(p, "config.json", env_id="os:CartPole-v1"), "must not name a module that"),
    "code in arguments": (lambda p: with_json(p, "config.json", env_id="GymV26Environment-v0", env_kwargs={"env_id": "antigravity:Evil-v0"}), "must hold arguments of the environment's own"),
    "arguments that nest": (lambda p: with_json(p, "config.json", env_kwargs={"a": {"b": 1}}), "`env_kwargs` must be"),
    "incomplete config": (lambda p: {**p, "config.json": b"{}"}, "is missing from the stored config"),
    "more in config": (lambda p: with_json(p, "config.json", self=1), "`config.json`: `self` is not a hyperparameter"),
    "huge population": (lambda p: with_json(p, "config.json", num_agents=10**9), "`num_agents` must be"),
    "other population": (lambda p: with_json(p, "config.json", num_agents=3), "follows from the config"),
    "huge network": (lambda p: with_json(p, "config.json", hidden_layers=[512, 512]), "follows from the config"),
    "vast checkpoint": (lambda p: with_json(p, "config.json", num_agents=512, hidden_layers=[252, 252]), "must have at most 268,435,456 bytes, and for such a config has 536,764,428"),
    "changes no list": (lambda p: {**p, "changes.json": b"{}"}, "`changes.json`"),
    "change of what is fixed": (lambda p: other_changes(p, {"seed": 1}), "`seed` is fixed during a run"),
    "change of self": (lambda p: other_changes(p, {"self": 1}), "must name hyperparameters only"),
    "change of nothing": (lambda p: other_changes(p, {}), "and one at least"),
    "change out of bounds": (lambda p: other_changes(p, {"gamma": 2}), "`gamma` must be in [0, 1], got 2"),
    "change before time": (lambda p: other_changes(p, {"gamma": 1}, update=-1), "`0.update`"),
    "changes out of order": (lambda p: other_changes(p, {"gamma": 1}, {"gamma": 0.5}, update=None), "in the order"),
    "many changes": (lambda p: other_changes(p, *[{"gamma": 1}] * 1001), "at most 1,000 changes"),
    "pickled updates": (lambda p: {**p, UPDATES_FILE: saved(np.array([{}] * 6), allow_pickle=True)}, "follows from"),
    "updates of Fortran": (lambda p: {**p, UPDATES_FILE: saved(np.asfortranarray(np.ones((6, 2))))}, "follows from"),
    "fewer updates": (lambda p: {**p, UPDATES_FILE: saved(np.load(io.BytesIO(p[UPDATES_FILE]))[:5])}, "shape (6,)"),
    "no header": (lambda p: {**p, UPDATES_FILE: b"\x93NUMPY" + bytes(10)}, "shape (6,)"),
    "update skipped": (lambda p: with_array(p, UPDATES_FILE, "update", 7, 3), "must count one by one; update 3"),
    "time that falls": (lambda p: with_array(p, UPDATES_FILE, "seconds", 0.0, 3), "`seconds` must not fall"),
    "time that is none": (lambda p: with_array(p, UPDATES_FILE, "seconds", NAN), "`seconds` must be finite"),
    "negative time": (lambda p: with_array(p, UPDATES_FILE, "seconds", -1.0), "`seconds` must not fall"),
    "endless episode": (lambda p: with_array(p, UPDATES_FILE, "episodic_lengths", 501, 2), "[1, 500]; update 2"),
    "no episode": (lambda p: with_array(p, UPDATES_FILE, "episodic_lengths", 0), "must be in [1, 500]; update 0"),
    "impossible return": (lambda p: with_array(p, UPDATES_FILE, "episodic_returns", 499.5), "possible in"),
    "undefined return": (lambda p: with_array(p, UPDATES_FILE, "episodic_returns", NAN), "`episodic_returns` must be"),
    "infinite mean": (lambda p: with_array(p, UPDATES_FILE, "mean_return", np.inf), "`mean_return` must be finite"),
    "mean that tops all": (lambda p: with_array(p, UPDATES_FILE, "mean_return", 3.4e38), "must be that of the last 100"),
    "mean of one agent": (lambda p: with_array(p, UPDATES_FILE, "mean_return", [400.0, 20.0], 5), "episodes; update 5"),
    "interval of its own": (lambda p: with_array(p, UPDATES_FILE, "iqm", [1.0, 1.0, 3.4e38], 4), "`iqm` must follow from `mean_return`; update 4"),
    "solved too early": (lambda p: with_array(p, UPDATES_FILE, "env_steps_to_solve", np.load(io.BytesIO(p[UPDATES_FILE]))["env_steps"][5], 5), "`env_steps_to_solve` must be the steps"),
    "other episodes": (lambda p: with_array(p, CHECKPOINT_FILE, "recent_returns", 500.0), "must be those of 6 updates"),
    "steps miscounted": (lambda p: with_array(p, UPDATES_FILE, "env_steps", 2**62, 5), "`env_steps` must count"),
    "solved in no update": (lambda p: with_array(p, UPDATES_FILE, "env_steps_to_solve", 1), "`env_steps_to_solve`"),
    "infinite weight": (lambda p: with_array(p, CHECKPOINT_FILE, "policy.kernel_0", np.inf), "must be finite"),
    "undefined slot": (lambda p: with_array(p, CHECKPOINT_FILE, "policy_slots/bias_0/second", NAN), "`policy_slots/bias_0/second` must be finite"),
    "another policy": (lambda p: with_array(p, CHECKPOINT_FILE, "policy.bias_0", 1.0), "must be those of 6 updates"),
    "another count": (lambda p: with_array(p, CHECKPOINT_FILE, "update", 5), "must be those of 6 updates"),
    "other steps": (lambda p: with_array(p, CHECKPOINT_FILE, "env_steps", 0), "must be those of 6 updates"),
    "checkpoint beyond": (lambda p: {**p, "checkpoints/0000007.npy": p[CHECKPOINT_FILE]}, "beyond the run's 6 updates"),
    "checkpoint elsewhere": (lambda p: {**p, "checkpoints/0000005.npy": p[CHECKPOINT_FILE]}, "0000005.npy`"),
    "policy and checkpoint": (lambda p: {**p, "policies/0000006.npy": p[CHECKPOINT_FILE]}, "a second of its update"),
    "pickled checkpoint": (lambda p: {**p, CHECKPOINT_FILE: saved(np.array({}), allow_pickle=True)}, "follows from"),
}  # fmt: skip
