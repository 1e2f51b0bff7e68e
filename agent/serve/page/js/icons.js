// Line icons of 24 units, drawn here; they are decoration, so that names come from the buttons that hold them.

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  plus: "M12 5.5v13M5.5 12h13",
  clock: "M20 12a8 8 0 1 1-16 0 8 8 0 0 1 16 0zM12 7.8V12l2.8 1.8",
  bars: "M5 7h13M5 12h8.5M5 17h5",
  dials: "M4 8.5h8.4M17 8.5h3M4 15.5h3M11.6 15.5H20M17 8.5a2.3 2.3 0 1 1-4.6 0 2.3 2.3 0 0 1 4.6 0zM11.6 15.5a2.3 2.3 0 1 1-4.6 0 2.3 2.3 0 0 1 4.6 0z",
  up: "M12 18.5v-13M6.5 11 12 5.5 17.5 11",
  stop: "M8 8h8v8H8z",
  heart: "M12 19.6S4.6 15.2 4.6 10A4 4 0 0 1 12 7.7 4 4 0 0 1 19.4 10c0 5.2-7.4 9.6-7.4 9.6z",
  cross: "M7 7l10 10M17 7 7 17",
  eye: "M2.8 12S6.2 6 12 6s9.2 6 9.2 6-3.4 6-9.2 6-9.2-6-9.2-6zM14.6 12a2.6 2.6 0 1 1-5.2 0 2.6 2.6 0 0 1 5.2 0z",
  path: "M7.5 6.5a2 2 0 1 1-4 0 2 2 0 0 1 4 0zM20.5 17.5a2 2 0 1 1-4 0 2 2 0 0 1 4 0zM7.5 6.5H14a3 3 0 0 1 0 6h-4a2.5 2.5 0 0 0 0 5h6.5",
  undo: "M8.5 7 4.5 11l4 4M4.5 11h9.2a4.3 4.3 0 0 1 0 8.6H11",
  again: "M19 12a7 7 0 1 1-2.2-5.1M19 4.5V8h-3.6",
};

/** The icon of that name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `icon i-${name}`);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
