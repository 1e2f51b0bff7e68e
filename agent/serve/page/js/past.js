// The conversations of the person, newest first: open one, or begin a new one.

import * as api from "./api.js";
import { byId, el, told } from "./dom.js";
import { icon } from "./icons.js";
import { onOpen, shut } from "./panels.js";
import { troubleNote } from "./trouble.js";
import { moment } from "./words.js";

/** Fill the drawer of past conversations each time it opens. */
export function wirePast(chat) {
  onOpen("past", () => fill(chat));
}

async function fill(chat) {
  const body = byId("past-body");
  const pick = (act) => () => {
    shut("past");
    act();
  };
  const fresh = el("button", { type: "button", class: "wide", on: { click: pick(() => chat.begin()) } }, icon("plus"), el("span", { words: "new" }));
  body.replaceChildren(fresh);
  try {
    const answer = await api.conversations();
    const list = answer.conversations;
    const rows = list.map((one) => row(one, one.id === chat.id, pick(() => chat.resume(one.id))));
    body.append(list.length ? el("ul", { class: "past" }, ...rows) : el("p", { class: "quiet", words: "past.none" }));
  } catch (error) {
    body.append(troubleNote(error, () => fill(chat)));
  }
}

function row(one, current, press) {
  const when = el("time", { datetime: one.last }, moment(one.last));
  const words = told(one.first_words || "…", { class: "first" });
  return el("li", {}, el("button", { type: "button", "aria-current": current ? "true" : null, on: { click: press } }, words, when));
}
