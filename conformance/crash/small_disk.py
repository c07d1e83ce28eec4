"""A disk of a few MiB: a tmpfs in a mount namespace of its own, for which nobody needs to be root."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

from support.server import die_with_parent


class SmallDisk:
    """`inside` is the command that enters the namespace; there the disk is at `directory`, and from here at `path`."""

    def __init__(self, test, mebibytes):
        for tool in ("unshare", "nsenter"):
            if not shutil.which(tool):
                raise unittest.SkipTest(f"there is no `{tool}` (util-linux), which makes the small disk")
        self.directory = tempfile.mkdtemp(prefix="millstream-small-")
        test.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        # It stays as long as somebody holds its standard input.
        script = f'mount -t tmpfs -o size={mebibytes}m,mode=700 none "$0" && echo ready && exec cat'
        self.holder = subprocess.Popen(
            ["unshare", "-Urm", "sh", "-c", script, self.directory],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=die_with_parent,
        )
        test.addCleanup(self.end)
        said = self.holder.stdout.readline().strip()
        if said != "ready":
            raise unittest.SkipTest(f"this kernel gives no small disk to who is not root: {said}")
        self.inside = ("nsenter", "-t", str(self.holder.pid), "-U", "-m", "--preserve-credentials", "--")
        self.path = pathlib.Path(f"/proc/{self.holder.pid}/root{self.directory}")

    def end(self):
        """Lets go of it."""
        self.holder.stdin.close()
        self.holder.wait(30)
        self.holder.stdout.close()

    def fill(self, name, mebibytes):
        """A file of so many MiB, or as much as there is room for."""
        with open(self.path / name, "wb", buffering=0) as file:
            for _ in range(mebibytes):
                try:
                    file.write(bytes(1 << 20))
                except OSError:
                    return
