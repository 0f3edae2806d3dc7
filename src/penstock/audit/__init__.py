"""One audit event per call. The log it goes to, its index and its proof are in ``stores``."""

from penstock.audit.record import Record

__all__ = ["Record"]
