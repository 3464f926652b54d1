"""One call of the command line: its options, its streams, and the app it may ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from config.accounts import account_of
from config.load import Loaded, examine
from config.paths import find_config_dir
from config.secrets import secret_values
from config.settings import Settings
from config.world import World
from sync.cli.given import Globals
from sync.cli.output import Output
from sync.redaction import Redactor

if TYPE_CHECKING:
    from sync.context import App


class Session:
    """Handed to every command as its first argument."""

    def __init__(self, options: Globals, world: World, environ: Mapping[str, str], out: Output) -> None:
        self.options = options
        self.world = world
        self.environ = environ
        self.out = out
        self._loaded: Loaded | None = None

    @property
    def loaded(self) -> Loaded:
        """The configuration, read once; raises NotSetUp or ConfigError. Warns of unknown variables."""
        if self._loaded is None:
            for problem in self.loaded_quietly().unknown:
                self.out.warn(str(problem))
        return self.loaded_quietly()

    def loaded_quietly(self) -> Loaded:
        """The same without the warnings."""
        if self._loaded is None:
            self._loaded = examine(self.options.config_dir, self._environ_of_folder())
            self.out.redactor = Redactor(secret_values(self._loaded.settings))
        return self._loaded

    def _environ_of_folder(self) -> Mapping[str, str]:
        """The environment; of an account that an accounts.toml names, the account's own."""
        folder = find_config_dir(self.options.config_dir, self.environ)
        account = account_of(folder, self.environ)
        return self.environ if account is None else account.environ

    @property
    def settings(self) -> Settings:
        """The settings of this call."""
        return self.loaded.settings

    def do_not_wait(self) -> None:
        """Fail at once when another process is at work (exit code 11)."""
        daemon = self.settings.daemon.model_copy(update={"lease_wait": 0})
        self._loaded = replace(self.loaded, settings=self.settings.model_copy(update={"daemon": daemon}))

    @contextmanager
    def app(self, world: World | None = None) -> Iterator[App]:
        """Mirror, connectors and models, closed at the end. Nothing is asked of a CRM yet."""
        from sync.app import build  # the client libraries load only for commands that need them
        from sync.cli.exits import ending

        with build(self.settings, world or self.world, self.loaded.config_dir) as app:
            app.words, app.redact = ending, self.out.redactor.secrets
            yield app
