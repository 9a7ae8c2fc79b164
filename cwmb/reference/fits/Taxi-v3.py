"""Finds walls where the taxi was stopped, and stands where passengers got in and out."""


def fit(self, observations, actions, rewards, next_observations, terminated):
    for name in ("STEP_REWARD", "ILLEGAL_REWARD", "DELIVERY_REWARD"):
        low, high = RANGES[name]
        setattr(self, name, usual(rewards[(low <= rewards) & (rewards <= high)]))
    walls, places, nowhere = set(), {}, [set() for _ in range(4)]
    for before, action, reward, after in zip(observations[:, 0], actions, rewards, next_observations[:, 0]):
        self.set_state(before)
        here, passenger, destination = (self.row, self.column), self.passenger, self.destination
        border = here if action == 2 else (self.row, self.column - 1)
        if action in (2, 3) and before == after and 0 <= border[1] < self.SIZE - 1:
            walls.add(border)
        if (action == 4 and passenger != self.IN_TAXI) or (action == 5 and passenger == self.IN_TAXI):
            self.set_state(after)
            place = passenger if action == 4 else destination if reward == self.DELIVERY_REWARD else self.passenger
            if reward != self.ILLEGAL_REWARD:
                places[place] = here
            else:
                for stand in [passenger] if action == 4 else range(4):
                    nowhere[stand].add(here)
    cells = list(itertools.product(range(self.SIZE), repeat=2))
    for stand in range(4):
        left = [cell for cell in cells if cell not in nowhere[stand] and cell not in places.values()]
        places.setdefault(stand, (left or cells)[0])
    self.WALLS, self.STANDS = tuple(sorted(walls)), tuple(places[stand] for stand in range(4))


Environment.fit = fit
