// A reason with its evidence: what of it stands in the sentence is marked there, the rest stands below.

import { el, told } from "./dom.js";
import { fieldWord } from "./item.js";

const QUOTED = /“([^“”]+)”/g;

/**
 * The sentence of a rationale with its evidence marked, and what it rests on besides. Where words of the person stand in
 * quotes, these are marked; `wish`, which stands above the slate anyway, is not told again.
 */
export function reasonOf(rationale, wish = null) {
  const evidence = rationale.evidence.filter((one) => one.value.trim());
  const found = places(rationale.sentence, evidence);
  const inside = new Set(found.map((place) => place.value));
  const beside = evidence.filter((one) => !inside.has(one.value) && one.value !== wish);
  const line = el("p", { class: "reason", dir: "auto" }, ...marked(rationale.sentence, found));
  return [line, beside.length ? grounds(beside) : null];
}

function grounds(evidence) {
  const chips = new Map(evidence.map((one) => [`${one.kind} ${one.ref} ${one.value}`, one]));
  return el(
    "ul",
    { class: "grounds", label: "grounds" },
    ...[...chips.values()].map((one) => el("li", { class: one.kind }, fieldWord(one), told(short(one.value)))),
  );
}

function short(text) {
  return text.length > 90 ? `${text.slice(0, 88)}…` : text;
}

/** Where evidence stands in a sentence: `{from, to, value, kind}`, in order and apart from each other. */
function places(sentence, evidence) {
  const folded = sentence.toLowerCase();
  const found = [];
  const wanted = evidence.flatMap((one) => textsOf(one, sentence)).sort((a, b) => b.text.length - a.text.length);
  for (const { kind, value, text } of wanted) {
    const apart = (from, to) => found.every((one) => to <= one.from || from >= one.to);
    const from = placeOf(folded, text.toLowerCase(), apart);
    if (from >= 0) found.push({ from, to: from + text.length, value, kind });
  }
  return found.sort((a, b) => a.from - b.from);
}

/** What to look for: the value, a title without its year, and words of the person that the sentence quotes. */
function textsOf({ kind, value }, sentence) {
  const own = { kind, value, text: value.trim() };
  if (kind !== "event") return [own];
  const said = value.toLowerCase();
  const quoted = [...sentence.matchAll(QUOTED)].map(([, words]) => words).filter((words) => said.includes(words.toLowerCase()));
  const title = { ...own, text: own.text.replace(/ \(\d{4}\)$/, "") };
  return [own, title, ...quoted.map((text) => ({ kind, value, text: `“${text}”` }))];
}

function placeOf(text, value, free) {
  for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) {
    const end = at + value.length;
    if (!isLetter(text[at - 1], value[0]) && !isLetter(text[end], value.at(-1)) && free(at, end)) return at;
  }
  return -1;
}

function isLetter(beside, edge) {
  return /[a-z0-9\u00c0-\u024f]/.test(beside ?? "") && /[a-z0-9\u00c0-\u024f]/.test(edge ?? "");
}

function marked(sentence, found) {
  const parts = [];
  let at = 0;
  for (const { from, to, kind } of found) {
    parts.push(sentence.slice(at, from), el("mark", { class: kind }, sentence.slice(from, to)));
    at = to;
  }
  return [...parts, sentence.slice(at)];
}
