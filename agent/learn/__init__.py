"""What everyone's behaviour teaches about items: which are taken up together, by whom, and by how many."""
