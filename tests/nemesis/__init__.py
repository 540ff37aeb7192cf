"""What a kernel and its sandbox go through: every fault at every moment, and faults, Stops and cells by chance.

`processes` finds and strikes them from outside, `judge` says whether what came was the truth, `phases` brings a kernel to
where it is to be struck. ``python -m tests.nemesis --seconds 600`` runs the nemesis for long.
"""
