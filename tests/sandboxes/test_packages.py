"""What people import first works under the filter of system calls and the masked files of a sandbox."""

from __future__ import annotations

import shutil

import pytest

from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.local import LocalSandbox

from .inside import bash, run

pytestmark = pytest.mark.anyio

SERVER = """
import http.server, threading
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""

#: Programs in files of their own, as processes that are spawned want it. Each ends with an error where it does not work.
PROGRAMS = {
    "numpy": "import numpy as np; np.linalg.svd(np.random.rand(200, 200))",
    "pandas": "import pandas as pd; pd.DataFrame({'a': [1, 2]}).describe(); pd.Timestamp.now('Europe/Berlin')",
    "pyarrow": """
import pyarrow, pyarrow.parquet
pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), "/tmp/x.parquet")
pyarrow.parquet.read_table("/tmp/x.parquet", memory_map=True)
""",
    "polars": "import polars; assert polars.DataFrame({'a': range(99)}).lazy().group_by('a').len().collect().shape == (99, 2)",
    "matplotlib": "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.savefig('/tmp/figure.png')",
    "pillow": "from PIL import Image; Image.new('RGB', (9, 9)).save('/tmp/picture.jpg')",
    "plotly": "import plotly.express as px; assert px.line(x=[1], y=[1]).to_json()",
    "psutil": """
import psutil
process = psutil.Process()
psutil.virtual_memory(), psutil.cpu_percent(), psutil.disk_usage("/tmp"), psutil.net_io_counters(), psutil.cpu_stats()
process.memory_full_info(), process.io_counters(), process.cpu_affinity(), process.open_files(), process.nice(19)
process.rlimit(psutil.RLIMIT_NOFILE), psutil.net_if_addrs(), psutil.net_if_stats(), psutil.boot_time()
[found.info for found in psutil.process_iter(["name", "cmdline", "memory_info"])]
""",
    "tornado, requests and websockets": SERVER + """
import asyncio, requests, tornado.httpclient, websockets.asyncio.client as client, websockets.asyncio.server as servers
url = f"http://localhost:{server.server_port}/"
assert requests.get(url).status_code == 200
async def main():
    assert (await tornado.httpclient.AsyncHTTPClient().fetch(url)).code == 200
    async def echo(connection):
        await connection.send(await connection.recv())
    async with servers.serve(echo, "localhost", 0) as found:
        port = found.sockets[0].getsockname()[1]
        async with client.connect(f"ws://localhost:{port}") as connection:
            await connection.send("here")
            assert await connection.recv() == "here"
asyncio.run(main())
""",
    "zmq": """
import zmq
context = zmq.Context()
one, other = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
one.connect("tcp://127.0.0.1:%d" % other.bind_to_random_port("tcp://127.0.0.1"))
one.send(b"x"); assert other.recv() == b"x"
""",
    "trio": """
import trio
async def main():
    await trio.run_process(["true"])
    await trio.to_thread.run_sync(print)
trio.run(main)
""",
    "sqlite3": "import sqlite3; c = sqlite3.connect('/tmp/x.db'); c.execute('pragma journal_mode=wal'); c.execute('create table t(a)')",
    "asyncio": """
import asyncio
async def main():
    process = await asyncio.create_subprocess_exec("echo", "x", stdout=-1)
    assert await process.communicate() == (b"x\\n", None)
    (await asyncio.start_unix_server(print, "/tmp/socket")).close()
asyncio.run(main())
""",
    "multiprocessing": """
import math, multiprocessing
from multiprocessing.shared_memory import SharedMemory
if __name__ == "__main__":
    for kind in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(kind)
        with context.Pool(2) as pool:
            assert pool.map(math.sqrt, [1, 4]) == [1, 2]
        queue, semaphore, value = context.Queue(), context.Semaphore(1), context.Value("i", 3)
        assert semaphore.acquire() and value.value == 3
        queue.put(1); assert queue.get() == 1
    memory = SharedMemory(create=True, size=4096)
    memory.close(); memory.unlink()
    with multiprocessing.Manager() as manager:
        assert list(manager.list([1])) == [1]
""",
    "concurrent.futures": """
import math
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        assert list(pool.map(math.sqrt, [1, 4])) == [1, 2]
""",
    "os": """
import faulthandler, mmap, os, pty, resource, signal, socket, tempfile, threading
faulthandler.dump_traceback_later(600); faulthandler.cancel_dump_traceback_later()
resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.sched_setaffinity(0, os.sched_getaffinity(0)); os.nice(1)
os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0); os.memfd_create("x"); os.mkfifo("/tmp/fifo")
assert pty.spawn(["true"]) == 0
mmap.mmap(-1, 4096).madvise(mmap.MADV_DONTNEED); signal.setitimer(signal.ITIMER_REAL, 600)
socket.getaddrinfo("localhost", 80); socket.socketpair(); os.splice; os.getrandom(8); os.getloadavg()
""",
}  # fmt: skip

COMMANDS = {
    "bash": "set -e; cd /tmp; ls / | wc -l; ulimit -n; nice true; timeout 9 true; setsid true; df -h >/dev/null; nproc",
    "git": "set -e; cd /tmp; git init -q r; cd r; git config user.email a@b; git config user.name a; echo x > a;"
    "git add a; git commit -qm x; git clone -q /tmp/r /tmp/s; git gc -q",
    "node": "node -e 'require(`fs`).readFile(`/etc/hosts`, error => { if (error) throw error });"
    "new (require(`worker_threads`).Worker)(`1`, {eval: true}); require(`child_process`).execSync(`true`);"
    "require(`http`).createServer().listen(0, `127.0.0.1`, function () { this.close() })'",
    "gcc": "cd /tmp; echo 'int main(){return 0;}' > a.c; gcc a.c -o a && ./a",
    "curl": "curl -sS file:///etc/hosts",
    "perl": "perl -e 'system(\"true\") == 0 or die'",
}


@pytest.mark.parametrize("name", PROGRAMS)
async def test_package_works(name: str, anyio_backend: str) -> None:
    async with LocalSandbox(SandboxOptions()) as sandbox:
        await sandbox.write_file("/workspace/program.py", PROGRAMS[name].encode())
        outcome = await run(sandbox, sandbox.python, "-W", "ignore", "/workspace/program.py", env={"MPLBACKEND": "agg"})
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("name", [name for name in COMMANDS if shutil.which(name)])
async def test_program_works(name: str, sandbox: LocalSandbox) -> None:
    outcome = await bash(sandbox, COMMANDS[name])
    assert outcome.returncode == 0, outcome.stderr
