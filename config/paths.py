"""Where mqlsync's files are: configuration and state folders, and the order in which they are searched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import platformdirs

from config.errors import NotSetUp

APP: Final = "mqlsync"
SETTINGS_FILE: Final = "mqlsync.toml"
MODEL_FILE: Final = "scoring.toml"
MODELS_FOLDER: Final = "models"
CONFIG_DIR_VARIABLE: Final = "MQLSYNC_CONFIG_DIR"


def user_config_dir() -> Path:
    """The user's own configuration folder for mqlsync (it may not exist)."""
    return Path(platformdirs.user_config_dir(APP, appauthor=False))


def user_state_dir() -> Path:
    """The user's own folder for what mqlsync keeps (it may not exist)."""
    return Path(platformdirs.user_state_dir(APP, appauthor=False))


def default_database_url() -> str:
    """The mirror in the user's state folder."""
    return sqlite_url(user_state_dir() / "mirror.db")


def sqlite_url(path: Path) -> str:
    """`sqlite:///` plus an absolute path."""
    return f"sqlite:///{path.absolute()}"


def config_dirs(config_dir: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """The folders in which mqlsync.toml is looked for, in order.

    A folder that was named (option or variable) is the only one: falling back to another
    configuration than the one asked for could write to the wrong CRM.
    """
    if config_dir is not None:
        return [config_dir]
    named = environ.get(CONFIG_DIR_VARIABLE)
    if named:
        return [Path(named).expanduser()]
    return [Path.cwd(), user_config_dir()]


def find_config_dir(config_dir: Path | None, environ: Mapping[str, str]) -> Path:
    """The folder that holds mqlsync.toml; raises NotSetUp when there is none."""
    folders = config_dirs(config_dir, environ)
    for folder in folders:
        if (folder / SETTINGS_FILE).is_file():
            return folder.absolute()
    raise NotSetUp([str(folder) for folder in folders])


def new_config_dir(config_dir: Path | None, environ: Mapping[str, str]) -> Path:
    """Where `init` writes: the folder that was named, else the current one."""
    return config_dirs(config_dir, environ)[0].absolute()
