// The drawers and sheets: dialogs of the browser, so that focus stays inside, Escape closes and focus goes back.

import { byId } from "./dom.js";

const WIDE = matchMedia("(min-width: 78rem)"); // where a panel that docks stands beside the conversation
const filled = new Map();

/** Say how a panel is filled each time it opens. */
export function onOpen(id, fill) {
  filled.set(id, fill);
}

/** Open a panel and fill it. On a wide window one that docks stands beside the conversation and takes no focus. */
export function open(id, ...given) {
  const panel = byId(id);
  if (panel.open && !docked(panel)) panel.close();
  if (!panel.open) {
    if ("docks" in panel.dataset && WIDE.matches) panel.show();
    else panel.showModal();
    document.body.classList.toggle(`with-${id}`, docked(panel));
  }
  return filled.get(id)?.(...given);
}

/** Close a panel. */
export function shut(id) {
  byId(id).close();
}

/** Open a panel, or close it where it is open. */
export function toggle(id) {
  if (byId(id).open) shut(id);
  else open(id);
}

function docked(panel) {
  return panel.open && !panel.matches(":modal");
}

/** Make the panels close by their buttons, by Escape and by a press beside them. */
export function wirePanels() {
  for (const panel of document.querySelectorAll("dialog")) {
    panel.addEventListener("click", (event) => {
      if (event.target === panel || event.target.closest("[data-close]")) panel.close();
    });
    panel.addEventListener("close", () => document.body.classList.remove(`with-${panel.id}`));
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && docked(panel)) panel.close();
    });
  }
  WIDE.addEventListener("change", () => {
    for (const panel of document.querySelectorAll("dialog[data-docks][open]")) panel.close();
  });
}
