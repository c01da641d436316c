"""The strict profile: of anonymous events only what a table allows passes, and coarsely.

`table` is the table, one row a rule; `coarsening` the named functions that its rows use; `rules`
the table, folded so that the gate can apply it; `profile` what an app chooses.
"""
