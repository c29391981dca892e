"""Other people's trainers: step times, and accuracy with their own losses and with GHM."""
