"""``make soak``: does a gateway that works for long stay as it is? Start reading at ``__main__.py``.

provider.py  a provider that streams, and misbehaves when asked to
load.py      callers that read, read slowly, leave early, and check what they got
samples.py   what the gateway's process holds, from /proc and /metrics
verdict.py   whether a row of samples is flat (pure)
"""
