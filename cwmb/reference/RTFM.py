"""Read to Fight Monsters, with the manual as constants of the class."""

import numpy as np


class Environment:
    GROUPS = {"Order of the Forest": ("goblin", "jaguar", "lynx")}
    BEATS = {"poison": ("arcane", "blessed")}
    GOAL = "Order of the Forest"
    MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))

    def __init__(self):
        self.board = np.full((6, 6, 2), "empty", dtype=object)
        self.inventory = "empty"
        self.at = (1, 1)

    def set_state(self, observation):
        board, self.inventory = observation
        self.board = np.array(board, dtype=object)
        found = np.argwhere(self.board[:, :, 0] == "you")
        self.at = tuple(int(i) for i in found[0]) if len(found) else (1, 1)

    def target(self, action):
        row = self.at[0] + self.MOVES[action][0]
        column = self.at[1] + self.MOVES[action][1]
        return row, column

    def valid_actions(self):
        return [self.board[self.target(action)][0] != "wall" for action in range(5)]

    def step(self, action):
        cell = self.target(int(action))
        reward, done = 0.0, False
        if cell != self.at and self.board[cell][0] != "wall":
            kind, name = self.board[cell]
            if kind in self.BEATS:
                done = True
                weapon = self.inventory.split(" ")[0]
                wins = name in self.GROUPS[self.GOAL] and weapon in self.BEATS[kind]
                reward = 1.0 if wins else -1.0
            elif kind != "empty":
                self.inventory = kind + " " + name
            self.board[self.at] = ("empty", "empty")
            self.board[cell] = ("you", "empty")
            self.at = cell
        return (self.board.copy(), self.inventory), self.valid_actions(), reward, done
