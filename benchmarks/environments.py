"""The peers' own virtual environments, made once under `.bench/` (or the folder in SLUICE_BENCH).

A peer's version is pinned only here, and its packages stay apart from ours. A peer that cannot be installed is reported
as missing, never left out silently.
"""

import os
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(os.environ.get("SLUICE_BENCH", ".bench")).absolute()
LITELLM = "litellm[proxy]==1.106.2"
SHIELD = "llm-shield-proxy==1.7.0"


class Missing(Exception):
    """A peer is not installed and cannot be. The message says what was tried."""


def environment(requirement: str) -> pathlib.Path:
    """Return the `bin` folder of a virtual environment that contains only `requirement`.

    It is made on first use, which takes some minutes. Raises Missing.
    """
    name = requirement.replace("[", "-").replace("]", "").replace("==", "-")
    folder = FOLDER / name
    done = folder / "installed"
    if not done.exists():
        print(f"installing {requirement} into {folder} …", file=sys.stderr, flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, stdout=sys.stderr)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", requirement]
            subprocess.run(pip, check=True, stdout=sys.stderr)
        except (OSError, subprocess.CalledProcessError) as failed:
            raise Missing(
                f"{requirement} could not be installed ({failed}): check the network, then run again"
            ) from None
        done.touch()
    return folder / "bin"
