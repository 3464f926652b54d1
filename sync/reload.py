"""Taking up model files that were changed while the daemon runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from config.paths import MODEL_FILE, MODELS_FOLDER
from sync.app import LISTS_FOLDER, load_models
from sync.context import App


def refresh(app: App) -> bool:
    """Read the models again unless their files are those of the last time; True if they have changed.

    Raises ConfigError for files that cannot be used: the models stay those read before.
    """
    files = model_files(app.config_dir)
    if files == app.model_files:
        return False
    app.models = load_models(app.config_dir)
    is_first = not app.model_files  # nobody has looked yet when they were last read
    app.model_files = files
    return not is_first


def model_files(config_dir: Path) -> Mapping[str, tuple[int, int]]:
    """The files that models and their lists are read from: path → time of the last change, size."""
    found = {}
    for pattern in (MODEL_FILE, f"{MODELS_FOLDER}/*.toml", f"{LISTS_FOLDER}/*.txt"):
        for path in config_dir.glob(pattern):
            with suppress(OSError):  # gone between the two looks
                seen = path.stat()
                found[str(path)] = (seen.st_mtime_ns, seen.st_size)
    return found
