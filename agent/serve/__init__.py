"""The server: one recommender and its conversations behind HTTP, and the page that talks to it."""
