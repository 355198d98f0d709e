"""Runs a command and appends what it cost to a file: wall seconds, CPU seconds, peak resident kilobytes.

The figures are those of the command and of all its descendants that it waited for; the peak is that of the largest.
Usage: measure.py FILE LABEL COMMAND...
"""
import os
import sys
import time

out, label, command = sys.argv[1], sys.argv[2], sys.argv[3:]
start = time.monotonic()
pid = os.fork()
if pid == 0:
    os.execvp(command[0], command)
_, status, usage = os.wait4(pid, 0)
wall = time.monotonic() - start
if status != 0:
    sys.exit(f"{' '.join(command)}: status {status}")
with open(out, "a", encoding="ascii") as file:
    file.write(f"{label}\t{wall:.3f}\t{usage.ru_utime + usage.ru_stime:.3f}\t{usage.ru_maxrss}\n")
