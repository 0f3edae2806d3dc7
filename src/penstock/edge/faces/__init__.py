"""What callers of the data plane meet: a path for each dialect of theirs."""

from penstock.edge.faces.manners import CHAT, MANNERS, RESPONSES
from penstock.edge.faces.model_face import V1_LIMITS, Manner, ModelFace, new_call_id
from penstock.edge.faces.models import visible_models
from penstock.edge.faces.responses_face import ResponsesFace

__all__ = [
    "CHAT",
    "MANNERS",
    "RESPONSES",
    "V1_LIMITS",
    "Manner",
    "ModelFace",
    "ResponsesFace",
    "new_call_id",
    "visible_models",
]
