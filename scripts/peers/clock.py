"""Times the phases of a peer and reports them as one line of JSON.

Import this before anything heavy: the clock of `imports` starts here.
"""

import json
import time


def usage():
    """Wall and CPU seconds so far, CPU over all threads."""
    return time.perf_counter(), time.process_time()


def peak_mib():
    """Peak resident memory of this process."""
    with open("/proc/self/status") as status:
        kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return kib / 1024


class Clock:
    """Phases one after another; `imports` and `warm_up` do not count as work."""

    def __init__(self):
        self.last = usage()
        self.phases = {}
        self.memory = {}

    def lap(self, phase):
        """Ends a phase."""
        now = usage()
        wall, cpu = self.phases.get(phase, (0.0, 0.0))
        self.phases[phase] = (wall + now[0] - self.last[0], cpu + now[1] - self.last[1])
        self.memory[phase] = peak_mib()
        self.last = now

    def report(self, **more):
        """One line of JSON on stdout."""
        apart = ("imports", "warm_up")
        work = [phase for name, phase in self.phases.items() if name not in apart]
        print(json.dumps({
            "wall": sum(phase[0] for phase in work),
            "cpu": sum(phase[1] for phase in work),
            "peak_mib": peak_mib(),
            "before_work_mib": max(mib for name, mib in self.memory.items() if name in apart),
            "phases": {name: {"wall": wall, "cpu": cpu} for name, (wall, cpu) in self.phases.items()},
            **more,
        }))


CLOCK = Clock()
