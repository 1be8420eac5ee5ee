"""Back-propagation, unchained: how a gradient is computed, and what happens when the rule is changed.

``helpers.datasets`` and ``helpers.networks`` hold the data and the nets, ``helpers.training`` the learning rules,
``helpers.plots`` the pictures, ``helpers.checks`` the self-checks of the exercises.
"""
