// The words of the page in the language chosen, and the nodes that carry them: a switch of language tells them all anew.

import en from "./words.en.js";
import zh from "./words.zh.js";

const DICTIONARIES = { en, zh };
let language = "en";

/** The language in use: `en` or `zh`. */
export function spoken() {
  return language;
}

/** The words of a key. `{n}` and the like stand for values; where `n` is 1, the key with `.one` goes first. */
export function word(key, values = {}) {
  const ours = DICTIONARIES[language];
  const text = (values.n === 1 ? ours[`${key}.one`] : undefined) ?? ours[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** Whether the dictionary has the key. */
export function hasWord(key) {
  return key in DICTIONARIES[language];
}

/** Switch the language, and tell all nodes of the page that carry words. */
export function speak(chosen) {
  language = chosen in DICTIONARIES ? chosen : "en";
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  retell(document);
}

/** The node, with the words as its text. */
export function say(node, key, values) {
  return carry(node, "words", key, values);
}

/** The node, with the words as its name for those who do not see it. */
export function label(node, key, values) {
  return carry(node, "label", key, values);
}

/** The node, with the words shown when it is pointed at. */
export function tip(node, key, values) {
  return carry(node, "tip", key, values);
}

/** The field, with the words shown while it is empty. */
export function hint(node, key, values) {
  return carry(node, "hint", key, values);
}

const CARRIED = {
  words: (node, text) => { node.textContent = text; },
  label: (node, text) => node.setAttribute("aria-label", text),
  tip: (node, text) => node.setAttribute("title", text),
  hint: (node, text) => node.setAttribute("placeholder", text),
};

function carry(node, how, key, values) {
  node.dataset[how] = key;
  if (values) node.dataset[`${how}Values`] = JSON.stringify(values);
  else delete node.dataset[`${how}Values`];
  CARRIED[how](node, word(key, values));
  return node;
}

function retell(root) {
  for (const [how, write] of Object.entries(CARRIED)) {
    for (const node of root.querySelectorAll(`[data-${how}]`)) {
      write(node, word(node.dataset[how], JSON.parse(node.dataset[`${how}Values`] ?? "{}")));
    }
  }
}

/** A share such as 0.124 as `12.4 %`, in the way of the language. */
export function percent(share, digits = 0) {
  return new Intl.NumberFormat(tag(), { style: "percent", maximumFractionDigits: digits }).format(share);
}

/** A number in the way of the language. */
export function number(value, digits = 0) {
  return new Intl.NumberFormat(tag(), { maximumFractionDigits: digits }).format(value);
}

/** A length of time: `320 ms`, `1.8 s`. */
export function duration(ms) {
  return ms < 1000 ? `${number(ms)} ms` : `${number(ms / 1000, 1)} s`;
}

/** A moment (ISO 8601): the hour where it is of today, else the day. */
export function moment(text) {
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  const form = today ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short", year: "numeric" };
  return new Intl.DateTimeFormat(tag(), form).format(at);
}

/** Several words in a row: `a, b and c`. */
export function listed(words) {
  return new Intl.ListFormat(tag(), { type: "conjunction" }).format(words);
}

function tag() {
  return language === "zh" ? "zh-Hans-CN" : "en-GB";
}
