"""A gateway from Python: ``Client``, in the program itself or over HTTP, with the same methods. See docs/python.md.

client.py      what a program asks: start reading here
question.py    a prompt and what is asked with it, as the gateway reads it
inside.py      the gateway in this process                     (app/embedded.py composes it)
remote.py      the gateway over HTTP                            (failures.py: its errors, as the classes they were)
told.py        an answer and what was told of it, as a ``Generation``
stream.py      a streamed answer, part by part                  (assembly.py puts the whole together)
blocking.py    both for code without an event loop
flights.py     every call ends in time, or when the client is closed
"""

from penstock.client.client import Client
from penstock.client.question import Asks
from penstock.client.stream import Stream
from penstock.llm.generation import Generation
from penstock.llm.request import Prompt

__all__ = ["Asks", "Client", "Generation", "Prompt", "Stream"]
