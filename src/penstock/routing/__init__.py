"""Which targets may answer a call, in which order, and why."""

from penstock.routing.choose import By, Candidate, choose
from penstock.routing.decide import Choice, decide
from penstock.routing.route import Route
from penstock.routing.split import pick, pick_for

__all__ = ["By", "Candidate", "Choice", "Route", "choose", "decide", "pick", "pick_for"]
