"""The keeper: a small process that holds one running instance and outlives the manager.

It owns the process tree, the log files and ``run.json``. The manager runs this folder as a program of its own
(``python -I -S -E <folder>``). Its memory is paid per instance: standard library only, few imports, no ``dataclasses``
(1.5 MB). SIGTERM asks it to stop the tree (stop signal, grace, SIGKILL); SIGQUIT to kill it now.

Its descriptors are what it is known by: 0 has its orders (:mod:`.orders`), 3 the lock, 4 the instance's folder. On 1
it tells, in one line, what it holds or why it cannot. Whatever lies in the folder may be anything, for apps write to it
too: files are opened by :func:`.files.open_plain` alone.
"""
