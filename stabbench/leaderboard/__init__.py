"""The leaderboard, its page and pictures, and reports on runs: pure functions of the records."""
