"""The section `store`: where what outlives a call is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from penstock.config.section import Seconds, Section

SQLITE = "sqlite:///"


class Cache(Section):
    """The exact cache of answers, in memory."""

    max_entries: int = Field(default=10_000, ge=0, description="Answers kept; 0 turns the cache off.")
    max_bytes: int = Field(default=33_554_432, ge=0, description="Memory that kept answers may take.")
    ttl_s: Seconds = Field(default=3600, description="How long an answer is served again, in seconds.")
    max_entry_bytes: int = Field(default=1_048_576, ge=0, description="A larger answer is not kept.")


class Responses(Section):
    """Answers of the Responses API that callers go on from with `previous_response_id`: on the disk, beside the database."""

    retention_s: float = Field(
        default=86_400,
        ge=0,
        le=31_536_000,
        description="How long an answer is kept, in seconds; 0 keeps none, and none is ever written.",
    )
    max_bytes: int = Field(default=268_435_456, ge=65_536, description="Disk that all may take; the oldest go first.")
    max_tenant_bytes: int = Field(
        default=67_108_864, ge=65_536, description="Disk that those of one tenant may take; its oldest go first."
    )
    max_entry_bytes: int = Field(default=4_194_304, ge=1024, description="A larger one is not kept.")


class Store(Section):
    """Where records, ledger and audit are kept. Each is also `PENSTOCK_STORE_<NAME>`, the pepper `PENSTOCK_PEPPER`."""

    url: str = Field(
        default="sqlite:///penstock.db",
        pattern=r"^sqlite:///[^?#]+$",
        description="`sqlite:///file` (relative to the working directory) or `sqlite:////absolute/file`.",
    )
    durability: Literal["group", "strict"] = Field(
        default="group", description="`group`: on disk within 20 ms. `strict`: calls wait for the disk."
    )
    pepper: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Secret that keys are hashed with, 32 characters or more. Default: a file beside the database.",
    )
    cache: Cache = Field(default=Cache(), description="Bounds of the answer cache.")
    responses: Responses = Field(
        default=Responses(), description="What is kept of the Responses API, and for how long."
    )

    @property
    def database(self) -> Path:
        """The SQLite file, absolute."""
        return Path(self.url.removeprefix(SQLITE)).absolute()

    @property
    def lock_file(self) -> Path:
        """Held by the process that has the database, and all that lies beside it."""
        return self.database.with_name(f"{self.database.name}.lock")

    @property
    def responses_file(self) -> Path:
        """The SQLite file of kept answers, beside the database."""
        return self.database.with_name(f"{self.database.name}.responses")

    @property
    def log_directory(self) -> Path:
        """The folder of the audit log's segments, beside the database."""
        return self.database.with_name(f"{self.database.name}.log")
