"""Show why a model gives an answer: votes, nearest training images, and the regions that count.

`explain` gathers it all, `occlusion` finds the regions, and `page` and `picture` show it.
"""
