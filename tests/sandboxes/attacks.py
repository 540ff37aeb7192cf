"""Ways to make a computer keep memory that no process's own limit counts. Each goes on until it is stopped."""

from __future__ import annotations

import os
from pathlib import Path


def tcp_bytes() -> int:
    """How much all of TCP may hold on this computer."""
    return int(Path("/proc/sys/net/ipv4/tcp_mem").read_text().split()[2]) * os.sysconf("SC_PAGE_SIZE")


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

#: Connections that nobody accepts, whose other ends are closed: a few open files hold thousands of full buffers.
BACKLOG = """
import os, socket
kept = []
while True:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f'\\0{os.getpid()}-{len(kept)}')
    listener.listen(4096)
    kept.append(listener)
    for _ in range(4000):
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        try:
            sock.connect(listener.getsockname())
            while True: sock.send(b'x' * 65536)
        except OSError: pass
        sock.close()
"""

#: The same over TCP, of which no control group counts what nobody has accepted.
CONNECTIONS = """
import socket
kept = []
while True:
    listener = socket.create_server(('127.0.0.1', 0), backlog=4096)
    kept.append(listener)
    for _ in range(1000):
        sock = socket.socket()
        sock.settimeout(0.2)
        try:
            sock.connect(listener.getsockname())
            sock.setblocking(False)
            while True: sock.send(b'x' * 65536)
        except OSError: pass
        sock.close()
"""

#: Full sockets in messages that nobody reads, and open nowhere.
MESSAGES = """
import array, socket
kept = []
while True:
    near, far = socket.socketpair()
    kept += [near, far]
    near.setblocking(False)
    full = False
    while not full:
        pairs = [sock for _ in range(20) for sock in socket.socketpair()]
        for sock in pairs:
            sock.setblocking(False)
            try:
                while True: sock.send(b'x' * 65536)
            except BlockingIOError: pass
        try: near.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [s.fileno() for s in pairs]))])
        except OSError:
            kept += pairs  # there may be no more in messages
            full = True
"""

#: Full pipes, in as many processes as it takes.
PIPES = """
import os, time
while True:
    kept = []
    try:
        while True:
            kept.append(os.pipe())
            os.set_blocking(kept[-1][1], False)
            try:
                while True: os.write(kept[-1][1], b'x' * 65536)
            except BlockingIOError: pass
    except OSError: pass
    if os.fork(): time.sleep(600)
    for pair in kept:
        for fd in pair: os.close(fd)
"""

#: Mappings without a page, which every process has a copy of.
MAPPINGS = """
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
base = libc.mmap(None, 65000 * 4096, 0, 0x4022, -1, 0)
for page in range(0, 65000, 2): libc.mmap(base + page * 4096, 4096, 1, 0x4032, -1, 0)
while True:
    if os.fork() == 0: time.sleep(600)
"""

#: Notices of files that nobody reads, in as many queues as there may be.
NOTICES = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
os.mkdir('/tmp/w')
kept = []
while (fd := libc.inotify_init1(0)) >= 0:
    libc.inotify_add_watch(fd, b'/tmp/w', 0xfff)
    kept.append(fd)
name = '/tmp/w/' + 'n' * 240
for number in range(20000): os.close(os.open(name + str(number % 10), os.O_CREAT | os.O_WRONLY))
"""

ALL = {
    "sockets": SOCKETS,
    "inodes": INODES,
    "memfd": MEMFD,
    "segments": SEGMENTS,
    "tables": TABLES,
    "files": FILES,
    "backlog": BACKLOG,
    **({"connections": CONNECTIONS} if tcp_bytes() > 1 << 30 else {}),
    "messages": MESSAGES,
    "pipes": PIPES,
    "mappings": MAPPINGS,
    "notices": NOTICES,
}
