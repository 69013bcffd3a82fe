"""The evidence beside a prediction: one view for each question, all about the slot that is shown."""
