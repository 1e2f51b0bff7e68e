"""A small data set of old books and made-up readers, to try an evaluation on. Equal calls give equal files.

Each reader likes one kind of book: has read some of that kind, and is to find one more of it among others. So the
cases have answers that tags, years and titles can lead to, and measure how a ranker works rather than how well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from eval.building.folder import write_lines
from eval.cases import CASES, ITEMS
from eval.chance import SEED, drawn

CANDIDATES = 10
HISTORY = 5

BOOKS = (  # title, author, year, tags
    ("Don Quixote", "Miguel de Cervantes", 1605, ("Adventure", "Comedy")),
    ("Robinson Crusoe", "Daniel Defoe", 1719, ("Adventure", "Sea")),
    ("Gulliver's Travels", "Jonathan Swift", 1726, ("Adventure", "Comedy", "Sea")),
    ("Candide", "Voltaire", 1759, ("Comedy", "Philosophy")),
    ("The Sorrows of Young Werther", "Johann Wolfgang von Goethe", 1774, ("Romance", "Drama")),
    ("Sense and Sensibility", "Jane Austen", 1811, ("Romance", "Comedy")),
    ("Pride and Prejudice", "Jane Austen", 1813, ("Romance", "Comedy")),
    ("Emma", "Jane Austen", 1815, ("Romance", "Comedy")),
    ("Frankenstein", "Mary Shelley", 1818, ("Horror", "Science Fiction")),
    ("Ivanhoe", "Walter Scott", 1819, ("Adventure", "History")),
    ("The Last of the Mohicans", "James Fenimore Cooper", 1826, ("Adventure", "History")),
    ("The Hunchback of Notre-Dame", "Victor Hugo", 1831, ("Drama", "History")),
    ("Oliver Twist", "Charles Dickens", 1838, ("Drama", "Crime")),
    ("The Three Musketeers", "Alexandre Dumas", 1844, ("Adventure", "History")),
    ("The Count of Monte Cristo", "Alexandre Dumas", 1846, ("Adventure", "Crime", "History")),
    ("Jane Eyre", "Charlotte Brontë", 1847, ("Romance", "Drama")),
    ("Wuthering Heights", "Emily Brontë", 1847, ("Romance", "Drama")),
    ("David Copperfield", "Charles Dickens", 1850, ("Drama", "Comedy")),
    ("The Scarlet Letter", "Nathaniel Hawthorne", 1850, ("Drama", "History")),
    ("Moby-Dick", "Herman Melville", 1851, ("Adventure", "Sea")),
    ("Madame Bovary", "Gustave Flaubert", 1857, ("Drama", "Romance")),
    ("A Tale of Two Cities", "Charles Dickens", 1859, ("Drama", "History")),
    ("The Woman in White", "Wilkie Collins", 1860, ("Mystery", "Crime")),
    ("Great Expectations", "Charles Dickens", 1861, ("Drama", "Crime")),
    ("Les Misérables", "Victor Hugo", 1862, ("Drama", "History", "Crime")),
    ("Journey to the Center of the Earth", "Jules Verne", 1864, ("Adventure", "Science Fiction")),
    ("Alice's Adventures in Wonderland", "Lewis Carroll", 1865, ("Fantasy", "Comedy", "Children")),
    ("Crime and Punishment", "Fyodor Dostoevsky", 1866, ("Drama", "Crime", "Philosophy")),
    ("The Moonstone", "Wilkie Collins", 1868, ("Mystery", "Crime")),
    ("War and Peace", "Leo Tolstoy", 1869, ("Drama", "History")),
    ("Twenty Thousand Leagues Under the Seas", "Jules Verne", 1870, ("Adventure", "Science Fiction", "Sea")),
    ("Middlemarch", "George Eliot", 1871, ("Drama", "Romance")),
    ("Around the World in Eighty Days", "Jules Verne", 1873, ("Adventure", "Comedy")),
    ("Anna Karenina", "Leo Tolstoy", 1878, ("Drama", "Romance")),
    ("Treasure Island", "Robert Louis Stevenson", 1883, ("Adventure", "Sea", "Children")),
    ("Strange Case of Dr Jekyll and Mr Hyde", "Robert Louis Stevenson", 1886, ("Horror", "Mystery")),
    ("A Study in Scarlet", "Arthur Conan Doyle", 1887, ("Mystery", "Crime")),
    ("The Picture of Dorian Gray", "Oscar Wilde", 1890, ("Horror", "Philosophy")),
    ("The Jungle Book", "Rudyard Kipling", 1894, ("Adventure", "Children", "Fantasy")),
    ("The Time Machine", "H. G. Wells", 1895, ("Science Fiction", "Adventure")),
    ("Dracula", "Bram Stoker", 1897, ("Horror", "Mystery")),
    ("The War of the Worlds", "H. G. Wells", 1898, ("Science Fiction", "Horror")),
    ("The Wonderful Wizard of Oz", "L. Frank Baum", 1900, ("Fantasy", "Children")),
    ("The Hound of the Baskervilles", "Arthur Conan Doyle", 1902, ("Mystery", "Crime", "Horror")),
    ("Peter and Wendy", "J. M. Barrie", 1911, ("Fantasy", "Children", "Adventure")),
)


def write_toy(folder: Path, seed: int = SEED) -> None:
    """Write `items.jsonl` and `cases.jsonl` into the folder, which is there and empty. Raises OSError."""
    write_lines(folder / ITEMS, _items())
    write_lines(folder / CASES, _cases(seed))


def _items() -> Iterator[dict[str, object]]:
    for n, (title, author, year, tags) in enumerate(BOOKS, start=1):
        yield {"item_id": _id(n), "title": title, "author": author, "year": year, "tags": list(tags)}


def _cases(seed: int) -> Iterator[dict[str, object]]:
    """One reader a book: they like its first tag, have read others with that tag, and are to find this one."""
    for n, (_, _, _, tags) in enumerate(BOOKS, start=1):
        alike = _shuffled([m for m in _others(n) if tags[0] in BOOKS[m - 1][3]], seed, n)
        read = sorted(alike[:HISTORY])
        strange = _shuffled([m for m in _others(n) if m not in read], seed, n, "shown")
        shown = _shuffled([n, *strange[: CANDIDATES - 1]], seed, n, "place")
        if read:
            yield {
                "case_id": f"reader-{n}",
                "user_id": f"reader-{n}",
                "history": [_id(m) for m in read],
                "candidates": [_id(m) for m in shown],
                "relevant": [_id(n)],
            }


def _others(n: int) -> list[int]:
    return [m for m in range(1, len(BOOKS) + 1) if m != n]


def _shuffled(numbers: list[int], *lot: object) -> list[int]:
    return sorted(numbers, key=lambda m: drawn(*lot, m))


def _id(n: int) -> str:
    return f"book-{n}"
