"""The network: trainable modules, batched over images and prompts."""
