"""Blueprints: the scripts that instances are made from, stock and custom. Owns their header and their files."""
