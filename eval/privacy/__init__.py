"""What differential privacy costs: how well released counts still rank."""
