"""Say in figures and in plain sentences which rows of a table differ by more than chance.

`judging` compares the rows of a run, with `paired` for two rows at a time; `verdict` is what it finds;
`sentences` and `summary` put it into words; `headline` is the row that a report is about.
"""
