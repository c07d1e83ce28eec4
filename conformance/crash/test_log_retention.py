"""Retention across crashes: what has expired stays away whatever happens, what has not is there, and the disk gets its room back."""

import random
import unittest

from faults import Faults
from rig import LONG, SLACK, LogCase, Ledger, Writer, disk_use, metric, seed

STREAMS = ("a", "b")
DAY = 24 * 3_600
# The engine trims once a minute: the usual run looks at what readers see, the long one at the disk too.
SWEEP_SECONDS = 90
FLUSHES = 40 if LONG else 3


class Retention(LogCase):
    def test_what_has_expired_stays_away(self):
        chance = seed()
        faults = Faults(self)
        ledger = Ledger(self)
        server, client = self.start(environment=faults.environment)
        for stream in STREAMS:
            self.create(client, stream, 2)
            ledger.known[stream] = {}
        for day in range(3):
            self.put_until_killed(server, ledger, chance)
            server, client = self.start(environment=faults.environment)
            live = ledger.check(client)
            if LONG and day:
                bound = live * 5 // 4 + SLACK
                self.assertGreater(disk_use(self.data), bound, "so little has expired that this proves nothing")
                self.wait(lambda bound=bound: disk_use(self.data) <= bound, "expired records keep their room", SWEEP_SECONDS)
                server.kill()
                server, client = self.start(environment=faults.environment)
                ledger.check(client)
            # Retention goes by a clock that has always been so: it does not believe one that jumps while it runs.
            server.kill()
            faults.orders.clock_ahead_s += DAY + 3_600
            ledger.expire()
            server, client = self.start(environment=faults.environment)
            self.assertEqual(ledger.check(client), 0, "expired records are still read")

    def put_until_killed(self, server, ledger, chance):
        """Enough for some flushes; the end comes in the middle of it."""
        flushed = metric(server.address, "log_flushes_total")
        writers = [Writer(server.address, f"w{number}-{chance.getrandbits(32)}", STREAMS, random.Random(chance.random())) for number in range(3)]
        for writer in writers:
            writer.start()
        self.wait(lambda: metric(server.address, "log_flushes_total") >= flushed + FLUSHES, "nothing is flushed")
        server.kill()
        for writer in writers:
            writer.join(30)
            self.assertEqual(writer.refusals, [])
            ledger.take(writer)


if __name__ == "__main__":
    unittest.main()
