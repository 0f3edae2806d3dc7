"""What callers of the data plane meet: a path for each dialect of theirs."""

from penstock.edge.faces.manners import CHAT, MANNERS
from penstock.edge.faces.model_face import V1_LIMITS, Manner, ModelFace, new_call_id
from penstock.edge.faces.models import visible_models

__all__ = ["CHAT", "MANNERS", "V1_LIMITS", "Manner", "ModelFace", "new_call_id", "visible_models"]
