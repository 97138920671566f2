"""The page of `hybridnet report`: what it tells, gathered first, then laid out as HTML that needs nothing else."""
