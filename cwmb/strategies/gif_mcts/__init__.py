"""GIF-MCTS: generate, improve and fix with Monte Carlo tree search (arXiv 2405.15383, section 4 and appendix B)."""

from cwmb.strategies.gif_mcts.search import GifMcts

__all__ = ["GifMcts"]
