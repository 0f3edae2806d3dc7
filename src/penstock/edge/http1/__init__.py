"""HTTP/1.1 under bounds: one connection class for the data plane's faces and the ASGI app behind them."""

from penstock.edge.http1.face import Face, Reply, StreamReply
from penstock.edge.http1.head import Head
from penstock.edge.http1.limits import HttpLimits
from penstock.edge.http1.server import protocol_factory

__all__ = ["Face", "Head", "HttpLimits", "Reply", "StreamReply", "protocol_factory"]
