"""The operator's file: read, checked as a whole, and turned into the plain values that parts take.

``load_settings`` reads a file and tells every mistake at once (``ConfigError``); ``Settings`` is what it says. Paths
that the operator writes (prompts, certificates) are relative to the config file, what the gateway writes (the
database, and the pepper and run file beside it) is relative to the working directory.
"""

from penstock.config.load import ConfigText, load_settings, read_config
from penstock.config.pepper import load_pepper, subkey
from penstock.config.problems import ConfigError, Problem
from penstock.config.runfile import RunFile, read_run_file, run_file_path, write_run_file
from penstock.config.settings import Settings

__all__ = [
    "ConfigError",
    "ConfigText",
    "Problem",
    "RunFile",
    "Settings",
    "load_pepper",
    "load_settings",
    "read_config",
    "read_run_file",
    "run_file_path",
    "subkey",
    "write_run_file",
]
