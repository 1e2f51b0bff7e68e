"""What a recommender stands on: each part opened when first needed, as the settings say."""
