"""Blackjack against a dealer who draws to 17; cards come from an endless deck.

The cards are random, so the likeliest outcome is predicted. A natural beats all but another natural; whether a soft 21
is one does not show, and most are.
"""


class Environment:
    HIT_ACTION = 1
    FACES = 10  # points of jack, queen and king
    ACE_BONUS = 10  # of an ace that does not take the hand over the limit
    LIMIT = 21
    NATURAL = True  # whether an ace and a ten, dealt first, beat all but the same
    DEALER_MARGIN = 4  # below the limit, where the dealer stands
    WIN_REWARD = 1.0
    DRAW_REWARD = 0.0
    LOSE_REWARD = -1.0
    HIT_REWARD = 0.0

    def __init__(self):
        self.cards = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, self.FACES, self.FACES, self.FACES)
        self.state = (12, 10, 0)
        self.known = {}
        self.dealer = {card: self.totals(card, int(card == 1)) for card in range(1, 11)}

    def set_state(self, observation):
        total, dealer_card, usable_ace = observation
        self.state = (int(total), int(dealer_card), int(usable_ace))

    def totals(self, total, ace):
        """Chance of each final total of the dealer (0: bust), from a hard total and whether it holds an ace."""
        if (total, ace) not in self.known:
            self.known[total, ace] = self.drawn(total, ace)
        return self.known[total, ace]

    def drawn(self, total, ace):
        soft = total + self.ACE_BONUS
        best = soft if ace and soft <= self.LIMIT else total
        if best > self.LIMIT:
            return {0: 1.0}
        if best >= self.LIMIT - self.DEALER_MARGIN:
            return {best: 1.0}
        chances = {}
        for card in self.cards:
            for final, chance in self.totals(total + card, ace or card == 1).items():
                chances[final] = chances.get(final, 0.0) + chance / len(self.cards)
        return chances

    def step(self, action):
        if action == self.HIT_ACTION:
            return self.hit()
        total, dealer_card, usable_ace = self.state
        if self.NATURAL and usable_ace and total == self.LIMIT:
            return self.state, self.WIN_REWARD, True  # against an ace or a ten, too, the hole card seldom makes one
        chances = {self.WIN_REWARD: 0.0, self.DRAW_REWARD: 0.0, self.LOSE_REWARD: 0.0}
        for final, chance in self.dealer[dealer_card].items():
            lower = self.LOSE_REWARD if total < final else self.DRAW_REWARD
            chances[self.WIN_REWARD if total > final else lower] += chance
        return self.state, max(chances, key=chances.get), True

    def hit(self):
        total, dealer_card, usable_ace = self.state
        safe = [card for card in self.cards if usable_ace or total + card <= self.LIMIT]
        if 2 * len(safe) < len(self.cards):
            self.state = (total + 10, dealer_card, 0)
            return self.state, self.LOSE_REWARD, True
        hands = [self.added(total, usable_ace, card) for card in safe]
        likely = max(zip(hands, safe), key=lambda one: (hands.count(one[0]), -abs(one[1] - 5)))
        total, usable_ace = likely[0]
        self.state = (total, dealer_card, usable_ace)
        return self.state, self.HIT_REWARD, False

    def added(self, total, usable_ace, card):
        """Total and usable ace of a hand with another card."""
        total += card
        if card == 1 and not usable_ace and total + self.ACE_BONUS <= self.LIMIT:
            return total + self.ACE_BONUS, 1
        if usable_ace and total > self.LIMIT:
            return total - self.ACE_BONUS, 0
        return total, usable_ace
