"""``Hosted``: a provider that is asked over HTTP, in one dialect or another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping

import msgspec

from penstock.core.answer import Answer
from penstock.core.call import Call, Dialect, Usage
from penstock.core.chain import Handler
from penstock.core.errors import PenstockError, UnsupportedEndpoint
from penstock.core.plan import Target
from penstock.core.ports import Headers
from penstock.providers.account import Account
from penstock.providers.explain import explain
from penstock.providers.way import Exchange, Way


async def _estimate(call: Call) -> Answer:
    """How many tokens a request would be, at a provider that does not count them."""
    return Answer("count_tokens", body=msgspec.json.encode({"input_tokens": call.input_tokens}), usage=Usage())


class Hosted(ABC):
    """One account at one service. ``bind`` gives the handler of one deployment there."""

    def __init__(self, account: Account) -> None:
        self.name = account.name
        self._account = account

    @abstractmethod
    def ways(self, target: Target) -> Mapping[Dialect, Way]:
        """How ``target`` is asked, by the dialect of who asks."""

    def explain(self, status: int, headers: Headers, body: bytes) -> PenstockError:
        """What a refusal means."""
        return explain(status, headers, body, secret=self._account.secret)

    def bind(self, target: Target) -> Handler:
        """The handler that answers calls with ``target``."""
        account = self._account
        exchanges = {
            dialect: Exchange(way, account.bind(way.path), account.bind(way.stream_path), self.explain)
            for dialect, way in self.ways(target).items()
        }

        def handle(call: Call) -> Awaitable[Answer]:
            exchange = exchanges.get(call.dialect)
            if exchange is None:
                if call.dialect == "count_tokens":
                    return _estimate(call)
                msg = f"'{target.alias}' does not answer {call.endpoint}: name another model."
                raise UnsupportedEndpoint(msg)
            return exchange(call)

        return handle
