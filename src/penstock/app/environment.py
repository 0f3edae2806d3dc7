"""What a process is started with: its config file, and the environment laid over it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from penstock.config import ConfigError, ConfigText, Problem, Settings, load_settings, read_config
from penstock.core.plan import Price
from penstock.prices import look_up
from penstock.providers import FAULT_KINDS, KINDS
from penstock.telemetry.logs import Logger
from penstock.transport import Proxies, ProxyInvalid


class Config:
    """Where the settings come from."""

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self.path = path
        self.env = env

    @classmethod
    def of_process(cls, path: Path, overrides: Mapping[str, str] | None = None) -> Config:
        """``overrides`` are ``PENSTOCK_*`` values laid over this process' environment."""
        return cls(path, {**os.environ, **(overrides or {})})

    def read(self) -> tuple[str, Settings]:
        """The file's text as it is now, and what it says. Raises ``ConfigError``."""
        text = read_config(self.path)
        return text, self.settings(text)

    def settings(self, text: str, prices: Mapping[str, Price] | None = None) -> Settings:
        """What ``text`` says, were it the file's; ``prices`` are those of its models where they were looked up before.

        Raises ``ConfigError``.
        """
        price_list = look_up if prices is None else lambda *_: prices
        file = ConfigText(self.path, text)
        return load_settings(file, self.env, kinds=KINDS, fault_kinds=FAULT_KINDS, price_list=price_list)


def proxies(env: Mapping[str, str], logger: Logger | None = None) -> Proxies:
    """The proxies that the environment names; ``logger`` is told of them. Raises ``ConfigError``."""
    try:
        found = Proxies.of(env)
    except ProxyInvalid as error:
        raise ConfigError([Problem(0, 0, error.variable, str(error), error.suggestion)]) from None
    if found.shown and logger is not None:
        logger.info("providers are reached through a proxy", **found.shown)
    return found
