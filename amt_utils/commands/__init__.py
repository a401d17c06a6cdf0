"""The subcommands of ``python -m amt_utils``, one module each: ``register`` adds its options, ``run`` runs it."""
