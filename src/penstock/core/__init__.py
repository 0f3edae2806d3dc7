"""The values, ports and errors that every part shares. Imports the standard library and msgspec only."""
