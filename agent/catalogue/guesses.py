"""The documented table of guesses: which column names are taken for what. Compared without case and punctuation."""

from __future__ import annotations

from collections.abc import Mapping

Guesses = Mapping[str, tuple[str, ...]]

ITEM_GUESSES: Guesses = {
    "id": (
        *(
            "item_id",
            "id",
            "movie_id",
            "film_id",
            "book_id",
            "product_id",
            "parent_asin",
            "asin",
            "game_id",
            "track_id",
        ),
        *("song_id", "album_id", "article_id", "news_id", "recipe_id", "app_id", "business_id", "anime_id", "show_id"),
        *("isbn", "isbn13", "sku", "tconst", "imdb_id", "tmdb_id", "uid", "item", "编号"),
    ),
    "title": (
        *("title", "name", "item_title", "item_name", "movie_title", "film_title", "product_title", "product_name"),
        *("book_title", "game_title", "track_name", "song_title", "album_name", "app_name", "anime_title", "headline"),
        *("primary_title", "original_title", "标题", "名称", "片名", "书名"),
    ),
    "tags": (
        *("tags", "genres", "genre", "categories", "category", "listed_in", "class", "subjects", "topics", "tag"),
        *("keywords", "main_category", "标签", "类型", "类别"),
    ),
    "text": (
        *("text", "description", "plot", "overview", "summary", "synopsis", "abstract", "about", "blurb", "content"),
        *("body", "short_description", "plot_summary", "简介", "描述"),
    ),
    "popularity": (
        *("popularity", "imdb_votes", "num_votes", "vote_count", "votes", "reviews", "num_ratings", "num_reviews"),
        *("ratings_count", "rating_count", "rating_number", "review_count", "reviews_count", "members", "downloads"),
    ),
    "language": ("language", "lang", "original_language", "language_code", "语言"),
    "image": (
        *("image", "image_url", "img_url", "im_url", "poster", "poster_url", "poster_path", "poster_link", "thumbnail"),
        *("cover", "cover_url", "cover_image", "image_url_l"),
    ),
    "platform": ("platform",),
}
"""Items: for each field, the column names that are taken for it, best first."""

EVENT_GUESSES: Guesses = {
    "event": ("event_id", "interaction_id"),
    "user": (
        *("user_id", "user", "reviewer_id", "customer_id", "visitor_id", "member_id", "account_id", "person_id"),
        *("profile_id", "uid", "username", "用户"),
    ),
    "id": (
        *("item_id", "movie_id", "film_id", "book_id", "product_id", "parent_asin", "asin", "game_id", "track_id"),
        *("song_id", "album_id", "article_id", "news_id", "recipe_id", "app_id", "business_id", "anime_id", "show_id"),
        *("isbn", "sku", "item"),
    ),
    "kind": ("kind", "event_type", "action_type", "behavior_type", "interaction_type", "event", "action", "type"),
    "value": ("value", "rating", "stars", "score", "overall", "book_rating", "rate", "user_rating", "评分"),
    "at": (
        *("at", "timestamp", "unix_review_time", "unix_time", "event_time", "rated_at", "created_at", "watched_at"),
        *("datetime", "time", "date", "review_time"),
    ),
    "text": ("text", "review_text", "review", "comment", "query", "message", "body", "content"),
    "platform": ("platform",),
}
"""Events: likewise."""

YEAR_NAMES = (
    *("year", "release_year", "released_year", "start_year", "publication_year", "published_year", "year_published"),
    *("year_of_publication", "original_publication_year", "年份"),
)
"""Columns that become the attribute `year` (the first of them that is there)."""

DATE_NAMES = (
    "release_date",
    "released",
    "publication_date",
    "published",
    "date_published",
    "publish_date",
    "date_added",
)
"""Attributes a missing `year` is read from, where they begin or end with four digits."""
