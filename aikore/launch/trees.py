"""Remembers what lives below keepers: when one is killed, its children can no longer be told from others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aikore.base import procfs

Member = tuple[int, int]
"""PID and start time of a process."""


class Trees:
    """What lives below some keepers, at the cost of one small file a call while nothing is started on the machine.

    A process joins a tree only by being born in it, so each is read once; all are read afresh now and then, for a PID
    may have been given anew unseen.
    """

    AFRESH_EVERY = 30

    def __init__(self) -> None:
        self._known: tuple[bytes, frozenset[int]] | None = None
        self._outside: set[int] = set()
        self._inside: dict[int, tuple[int, int]] = {}
        self._calls = 0

    def below(self, roots: Iterable[int]) -> Mapping[int, frozenset[Member]] | None:
        """Return the members below every root, None when nothing was started since the last call."""
        known = procfs.contents("/proc/loadavg").rpartition(b" ")[2], frozenset(roots)
        if known == self._known:
            return None
        self._known = known
        self._calls += 1
        if self._calls % self.AFRESH_EVERY == 0:
            self._outside, self._inside = set(), {}
        self._learn(known[1])
        trees: dict[int, set[Member]] = {root: set() for root in known[1]}
        for pid, (root, start) in self._inside.items():
            trees[root].add((pid, start))
        return {root: frozenset(members) for root, members in trees.items()}

    def _learn(self, roots: frozenset[int]) -> None:
        present = set(procfs.pids())
        self._outside &= present
        self._inside = {pid: one for pid, one in self._inside.items() if pid in present and one[0] in roots}
        owners = {root: root for root in roots} | {pid: root for pid, (root, _) in self._inside.items()}
        unread = present - self._outside - owners.keys()
        fresh = {pid: found for pid in unread if (found := procfs.process(pid))}
        while born := [pid for pid, found in fresh.items() if found.parent in owners]:
            for pid in born:
                found = fresh.pop(pid)
                owners[pid] = owners[found.parent]
                self._inside[pid] = owners[pid], found.start
        self._outside |= fresh.keys()
