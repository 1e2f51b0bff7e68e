// Forget me: says what would be erased, asks once more, erases.

import * as api from "./api.js";
import { announce } from "./announce.js";
import { byId, el } from "./dom.js";
import { onOpen, shut } from "./panels.js";
import { troubleNote } from "./trouble.js";
import { say, word } from "./words.js";

/** Fill the sheet each time it opens, and erase where that is chosen; `erased` is called afterwards. */
export function wireForget(erased) {
  onOpen("forget", fill);
  byId("forget-now").addEventListener("click", () => erase(erased));
}

async function fill() {
  const body = byId("forget-body");
  say(byId("forget-title"), "forget.title", { user: api.user() });
  body.replaceChildren(el("p", { class: "quiet", words: "forget.counting" }));
  byId("forget-now").disabled = true;
  try {
    const [profile, past] = await Promise.all([api.profile(), api.conversations()]);
    const counts = {
      conversations: past.conversations.length,
      liked: profile.liked.length,
      disliked: profile.disliked.length,
      seen: profile.seen.length,
      wishes: profile.wishes.length,
      corrections: Object.keys(profile.pinned).length,
    };
    const rows = Object.entries(counts).filter(([, n]) => n > 0).map(([name, n]) => el("li", { words: [`forget.${name}`, { n }] }));
    body.replaceChildren(
      rows.length ? el("ul", {}, ...rows) : el("p", { words: "forget.nothing" }),
      el("p", { class: "quiet", words: "forget.more" }),
    );
    byId("forget-now").disabled = false;
  } catch (error) {
    body.replaceChildren(troubleNote(error, fill));
  }
}

async function erase(erased) {
  try {
    await api.forget();
    shut("forget");
    for (const panel of document.querySelectorAll("dialog[open]")) panel.close();
    erased();
    announce(word("forget.done"));
  } catch (error) {
    byId("forget-body").append(troubleNote(error));
  }
}
