"""What is learned from many people, told with noise: how little of it can come from anyone, and what that has cost."""
