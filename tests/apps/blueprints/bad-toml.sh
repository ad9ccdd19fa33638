#!/usr/bin/env bash
# /// aikore
# name = "no quote
# ///
exec true
