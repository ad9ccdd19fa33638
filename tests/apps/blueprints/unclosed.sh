#!/usr/bin/env bash
# /// aikore
# name = "never closed"
