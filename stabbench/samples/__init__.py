"""Between store and verdict: the one reader, groups, baselines, archives, gates, comparisons."""
