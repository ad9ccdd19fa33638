#!/usr/bin/env bash
# /// aikore
# name = "JupyterLab"
# category = "Notebooks"
# description = "Notebooks, files and consoles in the browser"
# homepage = "https://jupyter.org"
# provides = ["notebooks"]
# base_path = "keep"
# ready = { path = "/api/status", timeout = 300 }
# ///
#
# Variables: JUPYTER_SPEC (what to install, default "jupyterlab").
# It listens on this machine only and asks for no token: AiKore is the door.
set -euo pipefail
# shellcheck source=functions.sh
source "$AIKORE_FUNCTIONS"

use_python_env env
split_args packages "${JUPYTER_SPEC:-jupyterlab}"
stage "Installing JupyterLab"
# shellcheck disable=SC2154 # split_args sets it
pip_install "${packages[@]}"

export JUPYTER_CONFIG_DIR="$INSTANCE_CONF_DIR/jupyter/config" JUPYTER_DATA_DIR="$INSTANCE_CONF_DIR/jupyter/data"
export JUPYTER_RUNTIME_DIR="$INSTANCE_CONF_DIR/jupyter/runtime" IPYTHONDIR="$INSTANCE_CONF_DIR/jupyter/ipython"
mkdir -p "$INSTANCE_CONF_DIR/notebooks" "$JUPYTER_CONFIG_DIR"
arguments=(--no-browser --ServerApp.ip=127.0.0.1 --ServerApp.port="$WEBUI_PORT" --ServerApp.port_retries=0
    --ServerApp.base_url="$SUBFOLDER" --ServerApp.root_dir="$INSTANCE_CONF_DIR/notebooks"
    --IdentityProvider.token= --ServerApp.allow_remote_access=True --ServerApp.trust_xheaders=True)
((EUID != 0)) || arguments+=(--allow-root)
split_args own "${LAUNCH_ARGS:-}"

stage "Starting JupyterLab"
# shellcheck disable=SC2154 # split_args sets it
exec jupyter lab "${arguments[@]}" "${own[@]}"
