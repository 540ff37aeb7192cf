"""``%sandbox`` in the kernel's own cells: sandboxes beside the one that the cells run in.

The code in a sandbox can send anything in the magic's name. So nothing that it says is believed: a line gets no more
than the kernel's own sandbox has (`maker`), files and variables are that sandbox's and reach this process as bytes that
nobody here reads (`carry`), and output goes the way of the cell that asked for it (`showing`). `service` keeps the uses
of the magic (`use`), and is all that is imported before the first; `door` then does what a line says.
"""
