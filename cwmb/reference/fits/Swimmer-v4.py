"""Finds a swimmer's constants: frames from how far joints turn at their speed, and the reward's weights by regression."""


def fit(self, observations, actions, rewards, next_observations, terminated):
    rows = np.arange(len(rewards))[:150]
    own = ("SUBSTEPS", "FORWARD_WEIGHT", "EFFORT_WEIGHT")
    names = [name for name in RANGES if name not in own]
    before, after = observations[rows], next_observations[rows]
    frames = frames_of(after[:, 1:3] - before[:, 1:3], before[:, 6:], after[:, 6:], self.DT)
    adjust_frames(self, names, before, actions[rows], after, frames)
    set_constants(self, {"FORWARD_WEIGHT": 1.0, "EFFORT_WEIGHT": 0.0})
    parts = np.stack([one_step(self, observations, actions)[1], -(actions**2).sum(axis=1)], axis=1)
    self.FORWARD_WEIGHT, self.EFFORT_WEIGHT = np.linalg.lstsq(parts, rewards, rcond=None)[0].tolist()


Environment.fit = fit
