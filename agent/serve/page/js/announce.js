// What those hear who do not see the page: whole sentences, in the order in which they come.

import { byId } from "./dom.js";

const waiting = [];
let speaking = false;

/** Say a text aloud where a screen reader runs. */
export function announce(text) {
  const plain = text.trim();
  if (!plain) return;
  waiting.push(plain);
  if (!speaking) next();
}

function next() {
  speaking = waiting.length > 0;
  if (!speaking) return;
  byId("announcer").textContent = waiting.splice(0).join(" ");
  setTimeout(next, 700); // a change that follows at once would silence the one before
}

/** A voice for text that streams: it holds words back until their sentence is whole. */
export function sentences() {
  let held = "";
  return {
    hear(text) {
      held += text;
      const end = Math.max(...[...".!?\n。！？"].map((sign) => held.lastIndexOf(sign)));
      if (end < 0) return;
      announce(held.slice(0, end + 1));
      held = held.slice(end + 1);
    },
    end() {
      announce(held);
      held = "";
    },
  };
}
