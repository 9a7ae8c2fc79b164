"""A taxi on a 5 by 5 grid that carries one passenger between four stands."""


class Environment:
    SIZE = 5
    STANDS = ((0, 0), (0, 4), (4, 0), (4, 3))
    IN_TAXI = 4
    WALLS = ((0, 1), (1, 1), (3, 0), (4, 0), (3, 2), (4, 2))  # cells with a wall on their eastern side
    STEP_REWARD = -1.0
    ILLEGAL_REWARD = -10.0
    DELIVERY_REWARD = 20.0

    def __init__(self):
        self.set_state(0)

    def set_state(self, observation):
        rest, self.destination = divmod(int(observation), 4)
        rest, self.passenger = divmod(rest, 5)
        self.row, self.column = divmod(rest, self.SIZE)

    def observe(self):
        return ((self.row * self.SIZE + self.column) * 5 + self.passenger) * 4 + self.destination

    def step(self, action):
        reward, done = self.STEP_REWARD, False
        here = (self.row, self.column)
        if action == 0:  # south
            self.row = min(self.row + 1, self.SIZE - 1)
        elif action == 1:  # north
            self.row = max(self.row - 1, 0)
        elif action == 2:  # east
            if here not in self.WALLS:
                self.column = min(self.column + 1, self.SIZE - 1)
        elif action == 3:  # west
            if (self.row, self.column - 1) not in self.WALLS:
                self.column = max(self.column - 1, 0)
        elif action == 4:  # pick up
            if self.passenger != self.IN_TAXI and here == self.STANDS[self.passenger]:
                self.passenger = self.IN_TAXI
            else:
                reward = self.ILLEGAL_REWARD
        elif self.passenger == self.IN_TAXI and here == self.STANDS[self.destination]:
            self.passenger = self.destination
            reward, done = self.DELIVERY_REWARD, True
        elif self.passenger == self.IN_TAXI and here in self.STANDS:
            self.passenger = self.STANDS.index(here)
        else:
            reward = self.ILLEGAL_REWARD
        return self.observe(), reward, done
