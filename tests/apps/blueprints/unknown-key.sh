#!/usr/bin/env bash
# /// aikore
# nmae = "typo"
# ///
exec true
