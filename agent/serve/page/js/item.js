// What a card or a drawer shows of an item, and how its fields are called.

import { el, told } from "./dom.js";
import { hasWord, number } from "./words.js";

const UNTOLD = new Set(["year"]);

/** The title and, where it is known, the year. */
export function titleOf(item) {
  const year = yearOf(item);
  return [told(item.title, { class: "title" }), year === null ? null : el("span", { class: "year" }, ` ${year}`)];
}

/** The year of an item, or null. */
export function yearOf(item) {
  return Number.isInteger(item.attributes?.year) ? item.attributes.year : null;
}

/** What a person calls an item: its title with the year. */
export function nameOf(item) {
  const year = yearOf(item);
  return year === null ? item.title : `${item.title} (${year})`;
}

/** The first tags of an item. */
export function tagsOf(item, most = 6) {
  if (!item.tags?.length) return null;
  return el("ul", { class: "tags", label: "tags" }, ...item.tags.slice(0, most).map((tag) => el("li", {}, told(tag))));
}

/** All that the catalogue says of an item, as names and values. */
export function factsOf(item) {
  const rows = Object.entries(item.attributes ?? {}).filter(([name]) => !UNTOLD.has(name));
  return el("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [fieldName(name), el("dd", {}, told(valued(value)))]));
}

function valued(value) {
  if (typeof value === "number") return number(value, 2);
  return Array.isArray(value) ? value.join(", ") : value;
}

function fieldName(name) {
  return hasWord(`field.${name}`) ? el("dt", { words: `field.${name}` }) : el("dt", {}, told(name.replaceAll("_", " ")));
}

/** The name of what a piece of evidence is: a field of the item, or something the person did or said. */
export function fieldWord(evidence) {
  const key = evidence.kind === "event" ? "field.event" : `field.${evidence.ref}`;
  return hasWord(key) ? el("span", { class: "of", words: key }) : el("span", { class: "of" }, told(evidence.ref));
}
