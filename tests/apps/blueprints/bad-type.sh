#!/usr/bin/env bash
# /// aikore
# ready = { timeout = "long" }
# ///
exec true
