"""Finds the deck and the rules that make what was dealt the likeliest."""


def fit(self, observations, actions, rewards, next_observations, terminated):
    self.HIT_ACTION = int(usual(actions[~terminated]))
    hit = actions == self.HIT_ACTION
    self.HIT_REWARD = usual(rewards[hit & ~terminated])
    for name in ("WIN_REWARD", "DRAW_REWARD", "LOSE_REWARD"):
        low, high = RANGES[name]
        setattr(self, name, usual(rewards[(low <= rewards) & (rewards <= high)]))

    def dealt(faces, ace_bonus, limit):
        """Logarithm of the chance of what followed on one more card."""
        self.ACE_BONUS, self.LIMIT = ace_bonus, limit
        cards = (*range(1, 11), *[faces] * 3)
        total = 0.0
        for (points, _, ace), (after, _, ace_after), over in zip(
            observations[hit].tolist(), next_observations[hit].tolist(), terminated[hit].tolist()
        ):
            hands = [self.added(points, ace, card) for card in cards]
            fitting = [hand for hand in hands if hand[0] > limit] if over else hands.count((after, ace_after)) * [0]
            total += math.log(max(len(fitting) / len(hands), 1e-6))
        return total

    def stood(margin):
        """Logarithm of the chance of how the hands ended of a player who stood."""
        set_constants(self, {"DEALER_MARGIN": margin})
        total = 0.0
        for (points, card, _), reward in zip(observations[~hit].tolist(), rewards[~hit].tolist()):
            chances = {self.WIN_REWARD: 0.0, self.DRAW_REWARD: 0.0, self.LOSE_REWARD: 0.0}
            for final, chance in self.dealer[card].items():
                lower = self.LOSE_REWARD if points < final else self.DRAW_REWARD
                chances[self.WIN_REWARD if points > final else lower] += chance
            total += math.log(max(chances.get(reward, 0.0), 1e-6))
        return total

    rules = itertools.product(
        *(range(RANGES[name][0], RANGES[name][1] + 1) for name in ("FACES", "ACE_BONUS", "LIMIT"))
    )
    faces, ace_bonus, limit = max(rules, key=lambda values: dealt(*values))
    set_constants(self, {"FACES": faces, "ACE_BONUS": ace_bonus, "LIMIT": limit})
    low, high = RANGES["DEALER_MARGIN"]
    set_constants(self, {"DEALER_MARGIN": max(range(low, high + 1), key=stood)})


Environment.fit = fit
