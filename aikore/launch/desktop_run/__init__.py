"""The desktop of one run: an X display, a window manager, the app and a browser that shows it.

The keeper starts this folder in place of the launch script, as a program of its own (``python -I -S -E <folder>``) with
the standard library only; its orders (:mod:`.orders`) are the only argument. It lives as long as the app does and ends
as the app ends. A browser, a window manager or a display server that ends is started again; a program with a window of
its own cannot outlive its display.
"""
