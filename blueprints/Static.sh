#!/usr/bin/env bash
# /// aikore
# name = "Static files"
# category = "Tools"
# description = "Serves a folder of files, such as a web page of your own"
# ready = { path = "/", timeout = 30 }
# ///
#
# Variables: STATIC_DIR (the folder to serve, default: public/ in the instance's folder).
set -euo pipefail
# shellcheck source=functions.sh
source "$AIKORE_FUNCTIONS"

folder="${STATIC_DIR:-$INSTANCE_CONF_DIR/public}"
if [[ -z ${STATIC_DIR:-} && ! -e $folder ]]; then
    mkdir -p "$folder"
    printf '<!doctype html>\n<meta charset="utf-8">\n<title>AiKore</title>\n<h1>It works</h1>\n<p>Put your files beside %s.\n' \
        "public/index.html" >"$folder/index.html"
fi
[[ -d $folder ]] || fail "There is no folder $folder. Set STATIC_DIR to one."

stage "Serving $folder"
exec python3 -m http.server "$WEBUI_PORT" --bind 127.0.0.1 --directory "$folder"
