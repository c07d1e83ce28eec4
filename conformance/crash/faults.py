"""Disk faults, and another time, for a server: a library that is loaded before all others, and the page of orders that it reads."""

import ctypes
import mmap
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).with_name("faults.c")
WAL, SEGMENTS, CHECKPOINTS = 1, 2, 4
FOR_EVER = -1


class Page(ctypes.Structure):
    """Orders and what came of them. Its layout is that of `struct page` in faults.c."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            "which", "write_errno", "sync_errno", "fail_next", "hold", "failed_writes", "failed_syncs", "syncs_after",
            "writes_after", "syncs", "clock_ahead_s",
        )
    ]


class Faults:
    """A compiled library and its page. `environment` makes a server obey; `orders` may be changed while it runs."""

    def __init__(self, test):
        if not (compiler := shutil.which("cc")):
            raise unittest.SkipTest("there is no C compiler `cc`, with which the library that makes faults is built")
        scratch = pathlib.Path(tempfile.mkdtemp(prefix="millstream-faults-"))
        test.addCleanup(shutil.rmtree, scratch, ignore_errors=True)
        library, self.path = scratch / "faults.so", scratch / "page"
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        self.path.write_bytes(bytes(mmap.PAGESIZE))
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.orders = Page.from_buffer(self.memory)
        self.environment = {"LD_PRELOAD": str(library), "MILLSTREAM_FAULTS": str(self.path)}

    def give(self, **orders):
        """Gives orders; `which` comes last, as it puts them in force."""
        for name, value in sorted(orders.items(), key=lambda order: order[0] == "which"):
            setattr(self.orders, name, value)
