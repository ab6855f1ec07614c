"""What teachers are built of: networks, formulas, and readers of weights."""
