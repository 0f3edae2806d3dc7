"""The face that OpenAI's SDKs know."""

from penstock.edge.openai.face import V1_LIMITS, OpenAIFace
from penstock.edge.openai.models import visible_models

__all__ = ["V1_LIMITS", "OpenAIFace", "visible_models"]
