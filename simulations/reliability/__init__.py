"""The reliability study: one command, one table, one row for each thing that must never happen.

``python -m simulations.reliability`` runs the plan and writes ``RESULTS.md``; the README says how to read it.

To add a row:

1. Write it: a frozen dataclass as :class:`simulations.reliability.harness.row.Row` asks for, in a file of its
   group. Its fields are its scale, with the figures of the plan as defaults. ``measure`` gets an empty directory
   and a progress callback, and returns a :class:`~simulations.reliability.harness.row.Finding`: what was measured,
   and what the negative control, a variant that is known to be bad, measured by the same yardstick.
2. Put an instance into ``PLAN`` in ``plan.py``, at its place; a form for the night goes into ``NIGHTLY``, under
   the same id, or under one of its own if there is no short form.
3. Put a small instance into ``SMALL`` in ``tests/reliability/test_rows.py``: every row of the plan must be there.

What a row cannot do without (a compiler, a server) it says by raising
:class:`~tests.server.NotHere`; the table then shows why it was not run, and the run does not pass.
"""
