"""Ways to make a computer keep memory that no process's own limit counts. Each goes on until it is stopped."""

from __future__ import annotations

#: Filled buffers of sockets, in as many processes as it takes.
SOCKETS = """
import os, socket
def fill():
    kept = []
    try:
        while True:
            one, other = socket.socketpair()
            for sock in (one, other):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                sock.setblocking(False)
                kept.append(sock)
                try:
                    while True: sock.send(b'x' * 65536)
                except BlockingIOError: pass
    except OSError: pass
    return kept
while True:
    kept = fill()
    if os.fork():
        import time; time.sleep(600)
"""

#: Files without a byte.
INODES = """
import os
number, full = 0, set()
while True:
    for directory in ('/tmp', '/app', '/workspace', '/dev/shm'):
        try:
            os.mkdir(f'{directory}/d{number}')
            for i in range(1000): os.mknod(f'{directory}/d{number}/{i}')
        except OSError:
            full.add(directory)
            if len(full) == 4: raise
    number += 1
"""

#: Files in memory with no name.
MEMFD = """
import os
kept = []
while True:
    fd = os.memfd_create('m')
    kept.append(fd)
    for _ in range(64): os.write(fd, b'x' * (1 << 20))
"""

#: Segments of System V that no process has mapped.
SEGMENTS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmdt.argtypes = [ctypes.c_void_p]
size = 32 << 20
while True:
    number = libc.shmget(0, size, 0o1600)
    if number < 0:
        if size == 4096: raise OSError(ctypes.get_errno(), 'no more segments')
        size = size // 2
        continue
    address = libc.shmat(number, None, 0)
    ctypes.memset(address, 1, size)
    libc.shmdt(address)
"""

#: Page tables of mappings of which one page in two megabytes is read.
TABLES = """
import ctypes, mmap
kept = []
while True:
    area = mmap.mmap(-1, 64 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=mmap.PROT_READ)
    area.madvise(15)
    kept.append(area)
    for at in range(0, 64 << 30, 2 << 20): area[at]
"""

#: Files with bytes, in every directory, by many processes at once, until all are full.
FILES = """
import subprocess
script = 'for i in $(seq 1000); do dd if=/dev/zero of=$0/$1-$i bs=1M count=64 2>/dev/null || exit; done'
places = [(directory, str(n)) for n in range(4) for directory in ('/tmp', '/app', '/workspace', '/dev/shm')]
for writer in [subprocess.Popen(['sh', '-c', script, *place]) for place in places]: writer.wait()
with open('/tmp/last', 'wb') as file: file.write(b'x' * (1 << 20))
"""

#: Files with the longest names and hardly a byte, in every directory.
LONG_NAMES = """
import os
last = None
for directory in ('/tmp', '/app', '/workspace', '/dev/shm'):
    try:
        for number in range(10**9): os.mknod(f"{directory}/{'n' * 240}{number}")
    except OSError as exc: last = exc
raise last
"""

ALL = {
    "sockets": SOCKETS,
    "inodes": INODES,
    "memfd": MEMFD,
    "segments": SEGMENTS,
    "tables": TABLES,
    "files": FILES,
}
