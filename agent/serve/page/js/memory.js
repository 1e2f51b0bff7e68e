// What this browser keeps between visits: who is asking, their key, theme, language, the conversation open last.

const PREFIX = "palate.";

/** What was kept under the name, or the fallback. */
export function kept(name, fallback = "") {
  try {
    return localStorage.getItem(PREFIX + name) ?? fallback;
  } catch {
    return fallback; // storage is refused
  }
}

/** Keep a value under the name; an empty one is dropped. */
export function keep(name, value) {
  try {
    if (value) localStorage.setItem(PREFIX + name, value);
    else localStorage.removeItem(PREFIX + name);
  } catch {
    // storage is refused: it holds for this visit only where the caller has it
  }
}
