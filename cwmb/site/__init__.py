"""The leaderboard as a static site: entries and runs in, a folder of pages out that needs no server and no network.

``sources`` reads bundles and runs, ``board`` makes rows of them, ``calls`` what a search did, ``charts`` and ``code``
the pictures and the highlighted programs, ``pages`` the HTML, ``build`` all of it. Everything that strangers wrote
reaches a page through the templates' escaping.
"""
