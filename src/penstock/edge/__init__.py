"""How calls come in: one package per dialect or protocol, and the HTTP/1.1 connection below them."""
