"""Finds cliff and wind by trying all there can be."""


def fit(self, observations, actions, rewards, next_observations, terminated):
    for name in ("STEP_REWARD", "FALL_REWARD", "GOAL_REWARD"):
        low, high = RANGES[name]
        setattr(self, name, usual(rewards[(low <= rewards) & (rewards <= high)]))
    last = self.COLUMNS - 1
    names = ("CLIFF_ROW", "CLIFF_FIRST", "CLIFF_LAST", "WIND", "WIND_FIRST", "WIND_LAST")
    cliffs = range(1, self.ROWS), range(3), range(last - 3, last)
    winds = range(1, 3), range(4), range(last - 3, last + 1)
    best = len(rewards) + 1
    found = ()
    for values in itertools.product(*cliffs, *winds):
        set_constants(self, dict(zip(names, values)))
        following, gained, done = one_step(self, observations[:, 0], actions)
        wrong = (gained != rewards) | (done != terminated) | ((following != next_observations[:, 0]) & ~terminated)
        if wrong.sum() < best:
            best, found = wrong.sum(), values
    set_constants(self, dict(zip(names, found)))


Environment.fit = fit
