"""The door: which routes exist, the NGINX configuration made from them, and the NGINX that serves it."""
