"""A trained model in use: predictor, mask generator, and what they need."""
