"""The native and admin API on FastAPI. Only ``app`` imports it: it costs a second to load."""

from penstock.edge.native.app import create_app
from penstock.edge.native.wiring import NATIVE_LIMITS

__all__ = ["NATIVE_LIMITS", "create_app"]
