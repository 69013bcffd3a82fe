"""Pictures of results: a record of numpy arrays in, a plotly figure or its text form out; no widget, no model."""
