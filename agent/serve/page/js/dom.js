// Elements, made from text only: nothing here ever reads data as markup.

import { icon } from "./icons.js";
import { hint, label, say, tip } from "./words.js";

const SPOKEN = { words: say, label, tip, hint };

/**
 * A new element. `words`, `label`, `tip` and `hint` take a key of the dictionary, or [key, values]; `on` takes listeners;
 * `icon` the name of one; all other properties become attributes, and those that are null or false are left out.
 */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name in SPOKEN) SPOKEN[name](node, ...[value].flat());
    else if (name === "on") for (const [type, heard] of Object.entries(value)) node.addEventListener(type, heard);
    else if (name === "icon") node.prepend(icon(value));
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

/** Text of the catalogue or of a person, in a box of its own: its direction and its controls stay inside. */
export function told(text, properties = {}) {
  return el("bdi", { dir: "auto", ...properties }, String(text));
}

/** The element of this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Put the icons into the buttons that name one. */
export function drawIcons(root) {
  for (const node of root.querySelectorAll("[data-icon]")) if (!node.querySelector("svg")) node.prepend(icon(node.dataset.icon));
}
