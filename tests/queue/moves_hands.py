"""What the machine of the moves does at the hands of consumers that wait."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, rule

from celeriac.store import moves
from tests.queue.moves_world import World

HANDS = st.sampled_from(["", "left"])  # '' is nobody's


class Hands(World):
    """A fetch of the machine waits at one of these, and a publish hands over there."""

    tokens = Bundle("tokens")

    @rule(target=tokens, hand=HANDS.filter(bool), heard=st.booleans())
    def listen(self, hand: str, heard: bool) -> object:
        """A worker reads what was handed to it, or loses the reply."""
        given = self.client.lpop(f"p:celeriac:hand:{hand}")
        if not (given and heard):
            return multiple()
        self.read[hand] = moves.read_hand(given).token
        return self.read[hand]

    @rule(hand=HANDS.filter(bool))
    def let_go(self, hand: str) -> None:
        """A worker listens no longer: what it never read is back at once, what it has read stays its own."""
        before, handed = self._look(), (self.client.get(f"p:celeriac:waits:{hand}") or b"").decode()
        moves.let_go(self.client, self.space, hand, self.read.get(hand, ""))
        given_back = set(before.inflight) - set(self._look().inflight)
        assert given_back == {handed} & set(before.inflight) - {self.read.get(hand)}
        assert not self.client.exists(f"p:celeriac:hand:{hand}")
