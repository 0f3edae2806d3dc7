"""Penstock: one gateway in front of every model a product team uses."""
