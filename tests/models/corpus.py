"""Made-up entries: twelve themes of words that keep company, and words of three moods."""

from __future__ import annotations

import random

import pyarrow as pa

THEMES = {
    "garden": "garden tomato soil seedling compost watering shovel hedge tulip weed mulch",
    "sea": "harbour sailing wave anchor lighthouse shell tide seagull deck ferry captain reef",
    "music": "guitar melody chorus rehearsal violin concert drummer rhythm piano singer choir",
    "kitchen": "recipe oven flour baking dough cinnamon skillet soup onion garlic butter casserole",
    "office": "meeting deadline manager spreadsheet colleague report client budget desk memo",
    "school": "teacher exam homework classroom lecture student essay notebook library chapter",
    "sport": "football referee stadium training goal coach sprint marathon jersey league whistle",
    "travel": "airport luggage passport hotel flight museum tourist train platform ticket hostel",
    "health": "doctor headache clinic medicine nurse fever bandage appointment surgery cough",
    "pets": "puppy kitten leash vet whiskers aquarium hamster paw collar fetch litter biscuit",
    "weather": "storm thunder rainbow drizzle umbrella sunshine frost blizzard puddle breeze hail",
    "house": "plumber ceiling wallpaper hammer drill carpet attic paint window roof ladder varnish",
}
MOODS = {
    "positive": "wonderful delighted grateful proud cheerful lovely excited joyful",
    "negative": "terrible miserable angry lonely awful ashamed exhausted gloomy",
    "neutral": "usual ordinary routine average plain scheduled typical regular",
}
FILLERS = ["today", "the", "and", "then", "again", "with", "about", "after", "some", "while"]


def made_up(n: int, seed: int = 0) -> pa.Table:
    """Make n entries with id, text, label and topics; every twentieth has no label."""
    random_ = random.Random(seed)
    rows = []
    for i in range(n):
        theme, mood = random_.choice(sorted(THEMES)), random_.choice(sorted(MOODS))
        words = random_.choices(THEMES[theme].split(), k=random_.randint(4, 12))
        words += random_.choices(MOODS[mood].split(), k=random_.randint(1, 3))
        words += random_.choices(FILLERS, k=len(words) // 2)
        random_.shuffle(words)
        text = " ".join(words).capitalize() + random_.choice([".", "!", "…", " :)"])
        label = None if i % 20 == 7 else mood
        rows.append({"id": f"{seed}-{i:05d}", "text": text, "label": label, "topics": [theme]})
    schema = pa.schema(
        {
            "id": pa.string(),
            "text": pa.string(),
            "label": pa.string(),
            "topics": pa.list_(pa.string()),
        }
    )
    return pa.Table.from_pylist(rows, schema=schema)


ENTRIES = made_up(600, seed=1)
HELD_OUT = made_up(200, seed=2)
TEXTS = HELD_OUT["text"].to_pylist()

# What a service may be handed for a text, none of it with a word that a model knows.
NOTHING_KNOWN = {
    "empty": "",
    "spaces": " \t\n  ",
    "emoji": "🦕",
    "control characters": "\x00\x07\x1b",
    "lone surrogate": "\ud83d",
    "other script": "今日はとても楽しかった",
    "numbers": "12345 67",
    "None": None,
    "NaN": float("nan"),
    "a number": 42,
    "bytes": b"wonderful",
    "a list": ["wonderful"],
}
