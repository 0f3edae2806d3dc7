"""State for a process that does not own it: a worker asks the process that does, over one Unix socket.

The reader's order: ``messages.py`` (what is said), ``channel.py`` (how), ``clerk.py`` (the owner's side), then the ports
as a worker has them: ``log.py``, ``counters.py``, ``shelf.py``, ``budgets.py`` with ``lender.py`` on the other side.
"""
