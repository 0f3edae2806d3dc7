"""Gemini's native API, beside its OpenAI-compatible one (``table``)."""

from penstock.providers.gemini.explain import explain_gemini

__all__ = ["explain_gemini"]
