// What went wrong, in words, with what can be done about it.

import { Trouble } from "./api.js";
import { announce } from "./announce.js";
import { el } from "./dom.js";
import { open } from "./panels.js";
import { say, word } from "./words.js";

const KNOWN = { 0: "gone", 401: "key", 403: "forbidden", 404: "missing", 408: "late", 409: "conflict", 413: "large", 429: "often", 503: "busy", 504: "late" };

/** A note that says what went wrong; with `retry` it holds a button for that, which waits as long as the server asks. */
export function troubleNote(error, retry) {
  if (!(error instanceof Trouble)) throw error;
  const known = KNOWN[error.status];
  const note = el("div", { class: "trouble", role: "alert" }, el("p", { words: `trouble.${known ?? "other"}` }));
  const details = [error.problem.detail, error.problem.hint].filter(Boolean).join(" · ");
  if (details) note.append(el("p", { class: "quiet", dir: "auto" }, details));
  if (error.status === 401) note.append(button("trouble.give-key", () => open("settings")));
  if (retry) note.append(retryButton(error.retryAfterS, note, retry));
  announce(word(`trouble.${known ?? "other"}`));
  return note;
}

function button(key, press) {
  return el("button", { type: "button", class: "plain", words: key, on: { click: press } });
}

function retryButton(afterS, note, retry) {
  const again = button("trouble.retry", () => {
    note.remove();
    retry();
  });
  if (afterS) countDown(again, afterS);
  return again;
}

function countDown(again, leftS) {
  again.disabled = leftS > 0;
  if (leftS > 0) {
    say(again, "trouble.retry-in", { n: leftS });
    setTimeout(() => countDown(again, leftS - 1), 1000);
  } else {
    say(again, "trouble.retry");
  }
}
