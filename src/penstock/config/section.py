"""What every part of the config file has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Section(BaseModel):
    """A part of the file: frozen, and every key in it is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
