"""The parts of the page: each watches one state and draws what it says; none of them computes anything."""
