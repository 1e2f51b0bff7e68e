// Short movements, where the person has not asked for less of them.

const EASE = "cubic-bezier(.2, .7, .2, 1)";

/** Whether things may move. */
export function mayMove() {
  return !matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Change a list, and let what was in it move from its old place to its new one; what is new fades in. */
export function moved(list, change) {
  const before = new Map([...list.children].map((node) => [node, node.getBoundingClientRect().top]));
  change();
  if (!mayMove()) return;
  for (const node of list.children) {
    const top = node.getBoundingClientRect().top;
    const from = before.has(node)
      ? { transform: `translateY(${before.get(node) - top}px)` }
      : { opacity: 0, transform: "translateY(10px)" };
    node.animate([from, { opacity: 1, transform: "none" }], { duration: 420, easing: EASE });
  }
}

/** Bring a node to the top of the window, below the header. */
export function bring(node) {
  node.scrollIntoView({ block: "start", behavior: mayMove() ? "smooth" : "auto" });
}
