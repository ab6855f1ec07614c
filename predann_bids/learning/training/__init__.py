"""How a network is trained: its steps, what repeats them on a GPU, and what watches over the training."""
