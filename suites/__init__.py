"""The standard suites; installed, they are the package ``stabbench.suites``."""
