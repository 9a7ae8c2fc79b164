"""A walk along a cliff on a grid of 4 rows and 12 columns, numbered row by row."""


class Environment:
    ROWS, COLUMNS = 4, 12
    START, GOAL = 36, 47
    MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left

    def __init__(self):
        self.cell = self.START

    def set_state(self, observation):
        self.cell = int(observation)

    def step(self, action):
        down, right = self.MOVES[int(action)]
        row = min(max(self.cell // self.COLUMNS + down, 0), self.ROWS - 1)
        column = min(max(self.cell % self.COLUMNS + right, 0), self.COLUMNS - 1)
        self.cell = row * self.COLUMNS + column
        if self.START < self.cell < self.GOAL:
            self.cell = self.START
            return self.cell, -100.0, False
        return self.cell, -1.0, self.cell == self.GOAL
