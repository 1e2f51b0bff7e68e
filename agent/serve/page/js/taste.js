// What is known of the person, drawn and open to correction: shares of tags with the range they lie in.

import * as api from "./api.js";
import { announce } from "./announce.js";
import { byId, el, told } from "./dom.js";
import { onOpen, open } from "./panels.js";
import { troubleNote } from "./trouble.js";
import { percent, say, word } from "./words.js";

const MOST = 10; // bars at first
let all = false;
let opened = null; // the tag that is being corrected

/** Fill the panel each time it opens. */
export function wireTaste(changed) {
  onOpen("taste", () => fill(changed));
}

/** Draw the panel anew where it is open. */
export async function refreshTaste(changed) {
  if (byId("taste").open) await fill(changed);
}

async function fill(changed) {
  const body = byId("taste-body");
  try {
    draw(body, await api.profile(), changed);
  } catch (error) {
    body.replaceChildren(troubleNote(error, () => fill(changed)));
  }
}

function draw(body, profile, changed) {
  const focused = document.activeElement?.closest?.("#taste-body li[data-tag]")?.dataset.tag;
  const tags = Object.keys(profile.interests);
  const removed = Object.keys(profile.pinned).filter((tag) => !profile.pinned[tag] && !tags.includes(tag));
  const shown = all ? tags : tags.filter((tag, n) => n < MOST || tag in profile.pinned);
  const known = profile.liked.length + profile.disliked.length + profile.wishes.length + Object.keys(profile.pinned).length;
  const largest = Math.max(...shown.map((tag) => profile.intervals[tag]?.[1] ?? 0), 0.01);
  const rows = [...shown, ...removed].map((tag) => row(tag, profile, largest, () => fill(changed), changed));
  body.replaceChildren(
    el("p", { class: "quiet", words: known ? ["taste.more", { level: percent(profile.level) }] : "taste.none" }),
    el("ul", { class: "interests" }, ...rows),
    tags.length > MOST ? showAll(() => draw(body, profile, changed), tags.length) : "",
    ...reactions("liked", profile.liked),
    ...reactions("disliked", profile.disliked),
    ...counted(profile),
    ...wishes(profile.wishes),
    el("p", { class: "end" }, el("button", { type: "button", class: "plain", words: "forget.open", on: { click: () => open("forget", profile) } })),
  );
  if (focused) body.querySelector(`[data-tag="${CSS.escape(focused)}"] > button`)?.focus();
}

function row(tag, profile, largest, redraw, changed) {
  const [low, high] = profile.intervals[tag] ?? [0, 0];
  const share = profile.interests[tag] ?? 0;
  const pinned = profile.pinned[tag];
  const bar = el("span", { class: "interval", "aria-hidden": "true" }, el("i", { class: "mean" }), el("i", { class: "range" }));
  for (const [name, value] of Object.entries({ mean: share, low, high })) bar.style.setProperty(`--${name}`, String(value / largest));
  const press = () => {
    opened = opened === tag ? null : tag;
    redraw();
  };
  const state = { "aria-expanded": String(opened === tag), class: pinned === undefined ? null : "pinned" };
  const named = el("span", { class: "tag" }, told(tag), pinned === undefined ? null : say(el("em"), pinned ? "taste.set" : "taste.removed"));
  const values = { share: percent(share), low: percent(low), high: percent(high) };
  const spoken = el("span", { class: "hidden", words: ["taste.range", values] });
  const line = el("button", { type: "button", ...state, on: { click: press } }, named, bar, el("span", { class: "share", "aria-hidden": "true" }, percent(share)), spoken);
  return el("li", { "data-tag": tag }, line, opened === tag ? editor(tag, share, pinned, redraw, changed) : null);
}

function editor(tag, share, pinned, redraw, changed) {
  const note = el("div");
  const shown = el("output", {}, percent(share));
  const slider = el("input", { type: "range", min: 0, max: 100, step: 1, value: Math.round(share * 100), label: ["taste.slider", { tag }] });
  slider.addEventListener("input", () => { shown.textContent = percent(slider.value / 100); });
  const correct = async (value) => {
    try {
      await api.correct({ [tag]: value });
      opened = null;
      announce(word("taste.changed", { tag }));
      await changed();
      redraw();
    } catch (error) {
      note.replaceChildren(troubleNote(error));
    }
  };
  const button = (key, value) => el("button", { type: "button", class: "plain", words: key, on: { click: () => correct(value()) } });
  const buttons = [button("taste.hold", () => slider.value / 100), button("taste.remove", () => 0)];
  if (pinned !== undefined) buttons.push(button("taste.give-back", () => null));
  return el("div", { class: "editor" }, el("p", { class: "slide" }, slider, shown), el("p", { class: "choices" }, ...buttons), note);
}

function showAll(redraw, n) {
  const press = () => {
    all = !all;
    redraw();
  };
  return el("button", { type: "button", class: "text", words: [all ? "taste.fewer" : "taste.all", { n }], on: { click: press } });
}

function reactions(kind, list) {
  if (!list.length) return [];
  const rows = list.slice(-8).reverse().map((one) => el("li", {}, told(one.title ?? one.item_id)));
  return [el("h3", { words: `taste.${kind}` }), el("ul", { class: "titles" }, ...rows)];
}

function counted({ seen, liked, disliked }) {
  if (!seen.length) return [];
  return [el("p", { class: "quiet", words: ["taste.seen", { n: seen.length, liked: liked.length, disliked: disliked.length }] })];
}

function wishes(list) {
  if (!list.length) return [];
  const rows = list.slice(-5).reverse().map((one) => el("li", {}, told(`“${one.text}”`)));
  return [el("h3", { words: "taste.wishes" }), el("ul", { class: "titles" }, ...rows)];
}
