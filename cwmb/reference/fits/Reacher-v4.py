"""Finds a reacher's constants, for each number of frames that a step may have; the reward has one factor."""


def fit(self, observations, actions, rewards, next_observations, terminated):
    rows = np.arange(len(rewards))[:200]
    names = [name for name in RANGES if name not in ("SUBSTEPS", "SCALE")]
    adjust_frames(self, names, observations[rows], actions[rows], next_observations[rows])
    set_constants(self, {"SCALE": 1.0})
    self.SCALE = float(np.median(rewards / one_step(self, observations, actions)[1]))


Environment.fit = fit
