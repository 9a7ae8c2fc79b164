"""A walk along a cliff on a grid of 4 rows and 12 columns, numbered row by row."""


class Environment:
    ROWS = 4
    COLUMNS = 12
    START = (3, 0)
    GOAL = (3, 11)
    CLIFF_ROW = 3
    CLIFF_FIRST = 1
    CLIFF_LAST = 10
    WIND = 0  # rows up, after a move that began in a windy column
    WIND_FIRST = 0
    WIND_LAST = 0
    STEP_REWARD = -1.0
    FALL_REWARD = -100.0
    GOAL_REWARD = -1.0
    MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left

    def __init__(self):
        self.cell = self.number(*self.START)

    def number(self, row, column):
        return row * self.COLUMNS + column

    def set_state(self, observation):
        self.cell = int(observation)

    def step(self, action):
        row, column = divmod(self.cell, self.COLUMNS)
        down, right = self.MOVES[int(action)]
        if self.WIND_FIRST <= column <= self.WIND_LAST:
            down -= self.WIND
        row = min(max(row + down, 0), self.ROWS - 1)
        column = min(max(column + right, 0), self.COLUMNS - 1)
        if row == self.CLIFF_ROW and self.CLIFF_FIRST <= column <= self.CLIFF_LAST:
            self.cell = self.number(*self.START)
            return self.cell, self.FALL_REWARD, False
        self.cell = self.number(row, column)
        done = (row, column) == self.GOAL
        return self.cell, self.GOAL_REWARD if done else self.STEP_REWARD, done
