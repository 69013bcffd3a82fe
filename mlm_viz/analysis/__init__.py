"""Questions asked of a model, one file each; every answer is a frozen record of numpy arrays."""
