"""Wire shapes and codecs of the protocols that are spoken, at both ends. Pure: bytes in, values out."""
