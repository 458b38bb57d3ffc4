"""What dev.py runs: the environment, a real ComfyUI server, a tiny model set, the demo and the checks.

None of this is part of the installed pack. Modules that run before `.venv` exists use the standard
library only; `client`, `demo`, `tiny_models` and `pytest_comfy` run inside it.
"""

# What the pins of requirements-dev.txt have wheels for. dev.py reads this on any Python: no newer syntax here.
OLDEST_PYTHON = (3, 10)
NEWEST_PYTHON = (3, 14)
