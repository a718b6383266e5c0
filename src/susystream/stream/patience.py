"""Whether a broker that says nothing is there.

In: the moments when it was heard. Out: an error once it was away for too long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from susystream.errors import BrokerUnavailable
from susystream.stream.connection import KafkaConnection, contact

_PROBE_SECONDS = 5.0


@dataclass(slots=True)
class Patience:
    """A consumer without a broker is as quiet as one without messages: this tells them apart.

    Attributes:
        connection: The broker.
        seconds: For so long it may be away.
        say: Tells a person that it is.
    """

    connection: KafkaConnection
    seconds: float
    say: Callable[[str], None]
    _heard: float = field(default_factory=time.monotonic, init=False)
    _probed: float = field(default=0.0, init=False)
    _told: bool = field(default=False, init=False)

    def heard(self) -> None:
        """It answered just now."""
        self._heard = time.monotonic()

    def check(self) -> None:
        """Asks now and then whether it is there.

        Raises:
            BrokerUnavailable: It was not, for longer than the patience.
            HandshakeFailed: It lets us in no longer; at once.
        """
        now = time.monotonic()
        if now - self._probed < _PROBE_SECONDS:
            return
        self._probed = now
        try:
            contact(self.connection)
            self._heard, self._told = now, False
        except BrokerUnavailable as error:
            if now - self._heard > self.seconds:
                raise
            if not self._told:
                self._told = True
                self.say(f"the broker does not answer, it has {self.seconds:g} s: {error}")
