"""Gemini's generateContent, as its providers speak it (google-genai 2.19, ``types.py``, 2026-11-21)."""

from penstock.dialects.gemini.generate_content import GenerateContent

__all__ = ["GenerateContent"]
