"""Sub-commands of ``stabbench``: each module has ``add_arguments(parser)`` and ``run(arguments)``."""
