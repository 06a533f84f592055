"""Location of LiteLLM's data files. They are read without importing LiteLLM, which takes seconds and 160 MB."""

import importlib.util
from pathlib import Path


def folder() -> Path:
    """Return the folder in which LiteLLM is installed."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("litellm is not installed: install the gateway with its dependencies")
    return Path(spec.submodule_search_locations[0])
