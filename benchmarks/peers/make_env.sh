#!/bin/sh
# Make the environment that RecTools runs in: its torch and numpy are not ours.
#   benchmarks/peers/make_env.sh DIRECTORY
set -eu
python3 -m venv "$1"
"$1/bin/pip" install --quiet "rectools[torch]==0.19.0" "torch==2.13.0"
"$1/bin/python" -c "import rectools, torch; print('RecTools', rectools.__version__, 'torch', torch.__version__)"
