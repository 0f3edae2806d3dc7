"""Our own outbound HTTP/1.1: pooled, bounded, pushed. Start reading at ``client.py``.

client.py      one request: take a connection, exchange, free it      (owner of the pools)
pool.py        which connection to use, open or wait for              (pure)
dialing.py     name -> checked address -> verified connection         (names.py, addresses.py, eyeballs.py, tls.py)
proxies.py     which proxy stands between                             (pure; tunnel.py)
connection.py  one socket: bytes out, bytes in
message.py     a request as bytes; a connection's bytes as responses  (pure)
response.py    the body on its way to a reader or a receiver
"""

from penstock.transport.client import HttpTransport
from penstock.transport.limits import TransportLimits
from penstock.transport.proxies import Proxies, ProxyInvalid

__all__ = ["HttpTransport", "Proxies", "ProxyInvalid", "TransportLimits"]
