"""Finds an inverted pendulum's constants, for each number of frames that a step may have."""


def fit(self, observations, actions, rewards, next_observations, terminated):
    self.REWARD = usual(rewards)
    rows = np.flatnonzero(~terminated)[:200]
    names = [name for name in RANGES if name not in ("SUBSTEPS", "REWARD")]
    adjust_frames(self, names, observations[rows], actions[rows], next_observations[rows])


Environment.fit = fit
