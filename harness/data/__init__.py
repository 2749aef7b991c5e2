"""Getting published data onto this machine: download, safe unpacking, import.

`fetch_data` brings an environment's declared sources and imports them; `import_path` imports a folder or
an archive that is already here. What a source looks like inside is the environment's business
(`environments.data.DataHooks`).
"""

from harness.data.archives import Limits, extract_archive, is_archive
from harness.data.download import DownloadPolicy, Fetched, download
from harness.data.fetch import FetchReport, fetch_data
from harness.data.importing import import_path

__all__ = [
    "DownloadPolicy",
    "FetchReport",
    "Fetched",
    "Limits",
    "download",
    "extract_archive",
    "fetch_data",
    "import_path",
    "is_archive",
]
