"""What a worker and the owner of the store say to each other. Money in nano-USD, days since 1970, UTC."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Raw, Struct

from penstock.core.plan import Price
from penstock.core.ports import AuditQuery, Fault, Hit

# --- a worker to the owner -------------------------------------------------------------------------------------------


class Begin(Struct, frozen=True, array_like=True, tag=True):
    """A worker is there and asks what to serve: a ``Beginning``."""


class Ready(Struct, frozen=True, array_like=True, tag=True):
    """The worker listens."""


class Leaving(Struct, frozen=True, array_like=True, tag=True):
    """The worker was told to end. Asks whether others listen, so that it need not: true or false."""


class Record(Struct, frozen=True, array_like=True, tag=True):
    """One line for the log."""

    line: bytes


class Flush(Struct, frozen=True, array_like=True, tag=True):
    """Answered when every record said before is on the disk."""


class Admit(Struct, frozen=True, array_like=True, tag=True):
    """Asks for a slot of ``most`` and for hits: an ``Admission``."""

    tenant: str
    most: int | None
    hits: tuple[Hit, ...]


class Leave(Struct, frozen=True, array_like=True, tag=True):
    """A slot is free."""

    tenant: str


class Count(Struct, frozen=True, array_like=True, tag=True):
    """Asks for hits of a caller without a key: a list of ``Verdict``."""

    hits: tuple[Hit, ...]


class Borrow(Struct, frozen=True, array_like=True, tag=True):
    """Asks for ``amount`` of the day's ``limit`` at least: a ``Lease``."""

    tenant: str
    amount: int
    limit: int


class Hold(Struct, frozen=True, array_like=True, tag=True):
    """A call holds ``amount``: of what was leased or, unless ``leased``, of money without a limit."""

    tenant: str
    day: int
    amount: int
    leased: bool


class Settle(Struct, frozen=True, array_like=True, tag=True):
    """A call that held ``amount`` has cost ``cost``."""

    tenant: str
    day: int
    amount: int
    cost: int


class Return(Struct, frozen=True, array_like=True, tag=True):
    """Leased money that no call holds is given back."""

    tenant: str
    day: int
    amount: int


class Keep(Struct, frozen=True, array_like=True, tag=True):
    """Asks to put a value under a tenant's key: whether it was kept."""

    tenant: str
    key: str
    value: bytes


class Find(Struct, frozen=True, array_like=True, tag=True):
    """Asks for what was kept under a tenant's key: bytes, or nothing."""

    tenant: str
    key: str


class Forget(Struct, frozen=True, array_like=True, tag=True):
    """Asks to remove what was kept under a tenant's key: whether it was there."""

    tenant: str
    key: str


class Alert(Struct, frozen=True, array_like=True, tag=True):
    """A tenant's day is nearly spent."""

    tenant: str
    spent: int
    held: int
    limit: int


class Query(Struct, frozen=True, array_like=True, tag=True):
    """Asks for an ``AuditPage``."""

    query: AuditQuery


class Scrape(Struct, frozen=True, array_like=True, tag=True):
    """Asks for Prometheus text of all workers."""


class Detail(Struct, frozen=True, array_like=True, tag=True):
    """Asks for what ``/health`` says of store, workers and targets."""


class SpreadFault(Struct, frozen=True, array_like=True, tag=True):
    """Asks that every worker sets a fault; answered when all have."""

    provider: str
    fault: Fault | None


class Counted(Struct, frozen=True, array_like=True, tag=True):
    """What a worker that ends has counted."""

    totals: Raw


# --- the owner to a worker -------------------------------------------------------------------------------------------


class Recall(Struct, frozen=True, array_like=True, tag=True):
    """Asks a worker for leased money that no call holds; it comes as a ``Return`` before the answer."""

    tenant: str


class Report(Struct, frozen=True, array_like=True, tag=True):
    """Asks a worker for what it has counted; it gives leases that idle back before."""


class Look(Struct, frozen=True, array_like=True, tag=True):
    """Asks a worker what it knows of its targets: a ``View`` for each alias."""


class SetFault(Struct, frozen=True, array_like=True, tag=True):
    """Makes a worker set a fault."""

    provider: str
    fault: Fault | None


class Prepare(Struct, frozen=True, array_like=True, tag=True):
    """Asks a worker to get a config ready, as a ``Beginning`` says it: a list of ``Mistake``. Nothing is in force yet."""

    text: str
    generation: int
    prices: dict[str, Price]


class Take(Struct, frozen=True, array_like=True, tag=True):
    """Puts in force what was prepared."""

    generation: int


class Refuse(Struct, frozen=True, array_like=True, tag=True):
    """Nothing can be logged any more."""

    reason: str


# --- answers ---------------------------------------------------------------------------------------------------------


class Reply(Struct, frozen=True, array_like=True, tag=True):
    """The answer to the ask of that number."""

    number: int
    value: Raw


class Failed(Struct, frozen=True, array_like=True, tag=True):
    """Why there is no answer, in words for whoever called the gateway."""

    number: int
    reason: str


class Mistake(Struct, frozen=True):
    """One problem of a config that a worker has found."""

    line: int
    path: str
    message: str
    suggestion: str


class Beginning(Struct, frozen=True):
    """What a worker serves: the config's text, what its models cost by what was looked up, and faults set since the start."""

    text: str
    generation: int
    prices: dict[str, Price]
    faults: dict[str, Fault | None]


class Lease(Struct, frozen=True):
    """Money for a worker's calls of ``day``; nothing when ``amount`` is 0. Settled and spent are the whole gateway's."""

    day: int
    amount: int
    settled: int
    spent: int


Message: TypeAlias = (
    Begin
    | Ready
    | Leaving
    | Record
    | Flush
    | Admit
    | Leave
    | Count
    | Borrow
    | Hold
    | Settle
    | Return
    | Keep
    | Find
    | Forget
    | Alert
    | Query
    | Scrape
    | Detail
    | SpreadFault
    | Counted
    | Recall
    | Report
    | Look
    | SetFault
    | Prepare
    | Take
    | Refuse
    | Reply
    | Failed
)
