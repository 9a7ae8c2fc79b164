"""Blackjack against a dealer who draws to 17; cards come from an endless deck.

The cards are random, so the likeliest outcome is predicted. A natural beats all but another natural; whether a soft 21
is one does not show, and most are.
"""


class Environment:
    CARDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10)  # an ace is 1 or 11
    DEALER_STANDS = 17
    LIMIT = 21

    def __init__(self):
        self.state = (12, 10, 0)
        self.dealer = {card: self.totals(card, int(card == 1)) for card in range(1, 11)}

    def set_state(self, observation):
        total, dealer_card, usable_ace = observation
        self.state = (int(total), int(dealer_card), int(usable_ace))

    def totals(self, total, ace):
        """Chance of each final total of the dealer (0: bust), from a hard total and whether it holds an ace."""
        best = total + 10 if ace and total + 10 <= self.LIMIT else total
        if best > self.LIMIT:
            return {0: 1.0}
        if best >= self.DEALER_STANDS:
            return {best: 1.0}
        chances = {}
        for card in self.CARDS:
            for final, chance in self.totals(total + card, ace or card == 1).items():
                chances[final] = chances.get(final, 0.0) + chance / len(self.CARDS)
        return chances

    def step(self, action):
        if action == 1:
            return self.hit()
        total, dealer_card, usable_ace = self.state
        if usable_ace and total == self.LIMIT:  # against an ace or a ten, too, the hole card seldom makes a natural
            return self.state, 1.0, True
        chances = {1.0: 0.0, 0.0: 0.0, -1.0: 0.0}
        for final, chance in self.dealer[dealer_card].items():
            reward = 1.0 if total > final else -1.0 if total < final else 0.0
            chances[reward] += chance
        return self.state, max(chances, key=chances.get), True

    def hit(self):
        total, dealer_card, usable_ace = self.state
        safe = sum(1 for card in self.CARDS if usable_ace or total + card <= self.LIMIT)
        if 2 * safe < len(self.CARDS):
            self.state = (total + 10, dealer_card, 0)
            return self.state, -1.0, True
        card = 10 if usable_ace or total + 10 <= self.LIMIT else 5
        total += card
        if total > self.LIMIT:
            total, usable_ace = total - 10, 0
        self.state = (total, dealer_card, usable_ace)
        return self.state, 0.0, False
