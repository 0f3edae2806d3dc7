"""The composition root: config -> stores -> providers -> pipeline -> edges. The one part that knows every other.

``alone.py`` is one process with all in it. With workers ``supervise.py`` owns the store and starts ``worker.py`` so many
times; ``works.py``, ``compose.py``, ``gateway.py`` and ``server.py`` are what every serving process has.
"""
