"""The composition root: config -> stores -> providers -> pipeline -> edges. The one part that knows every other."""

from penstock.app.serve import serve

__all__ = ["serve"]
