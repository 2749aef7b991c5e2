"""Brings an environment's published data: downloads every source, unpacks archives, imports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from environments.data import DataHooks, ImportReport
from harness.base.errors import BadInput
from harness.base.places import data_home
from harness.exchange.archives import Limits, extract_archive, is_archive
from harness.exchange.download import DownloadPolicy, Fetched, Progress, download
from harness.exchange.importing import load_hooks, locate


@dataclass(frozen=True, slots=True)
class FetchReport:
    files: tuple[Fetched, ...]
    imported: ImportReport


def fetch_data(
    env: str,
    home: Path | None = None,
    progress: Progress | None = None,
    policy: DownloadPolicy | None = None,
    limits: Limits | None = None,
) -> FetchReport:
    """Download an environment's sources into the data home and import them. What is already here and has the right
    hash is not downloaded again; an interrupted download goes on. Raises `BadInput` (see `download`), also for an
    environment whose data cannot be fetched."""
    return fetch(load_hooks(env), env, home or data_home(), progress, policy, limits)


def fetch(
    hooks: DataHooks,
    env: str,
    home: Path,
    progress: Progress | None = None,
    policy: DownloadPolicy | None = None,
    limits: Limits | None = None,
) -> FetchReport:
    """`fetch_data` for hooks at hand. Files go to `home/downloads/<env>`, archives are unpacked in `files` there."""
    if not hooks.sources:
        raise BadInput(
            f"{env} names no source that data can be fetched from; import a copy with `harness data import PATH`"
        )
    folder = home / "downloads" / env
    files = tuple(download(source, folder, policy, progress) for source in hooks.sources)
    archives = [file for file in files if is_archive(file.path)]
    unpacked = folder / "files"
    for file in archives:
        extract_archive(file.path, unpacked, limits)
    return FetchReport(files, hooks.import_from(_where(hooks, folder, unpacked, bool(archives)), home))


def _where(hooks: DataHooks, folder: Path, unpacked: Path, archives: bool) -> Path:
    """Folder in which the environment finds its data: beside each other as downloaded, or in what was unpacked."""
    if not archives or hooks.recognises(folder):
        return folder
    return locate(hooks, unpacked) or unpacked
