// What is wrong with the page as it stands, for those who use a keyboard, a screen reader, or their eyes: a list of lines.
() => {
  const faults = [];
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

  const seen = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !node.closest(".hidden");
  const told = (node) => `<${node.localName} id="${node.id}" class="${node.className}"> ${node.textContent.trim().slice(0, 40)}`;
  const nameOf = (node) => {
    const labelled = (node.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "");
    const labels = [...(node.labels ?? [])].map((label) => label.textContent);
    const own = node.matches("input, textarea, dialog") ? "" : node.textContent;
    return [node.getAttribute("aria-label") ?? "", ...labelled, ...labels, own].join("").trim();
  };
  const rgba = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return { rgb: [r, g, b], a: a / 255 };
  };
  const groundOf = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const layer = rgba(getComputedStyle(at).backgroundColor);
      if (layer.a > 0) layers.push(layer);
      if (layer.a === 1) break;
    }
    return layers.reverse().reduce((under, { rgb, a }) => under.map((value, n) => rgb[n] * a + value * (1 - a)), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (node) => {
    const [light, dark] = [luminance(rgba(getComputedStyle(node).color).rgb), luminance(groundOf(node))].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };

  for (const node of document.querySelectorAll("button, a[href], input, textarea, dialog[open], nav, section")) {
    if (seen(node) && !nameOf(node)) faults.push(`no name: ${told(node)}`);
  }
  for (const node of document.querySelectorAll("body *")) {
    const writes = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.textContent.trim());
    if (!writes || !seen(node) || node.closest(":disabled, noscript, .waiting")) continue;
    if (contrast(node) < 4.5) faults.push(`contrast ${contrast(node).toFixed(2)}: ${told(node)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  for (const id of new Set(ids.filter((id, n) => ids.indexOf(id) !== n))) faults.push(`two of id ${id}`);
  for (const node of document.querySelectorAll("button, input:not([type=radio]), textarea")) {
    const { width, height } = node.getBoundingClientRect();
    if (seen(node) && !node.matches(".mention, .text") && Math.min(width, height) < 24) faults.push(`small: ${told(node)}`);
  }
  for (const landmark of ["header", "nav", "main"]) if (!document.querySelector(landmark)) faults.push(`no ${landmark}`);
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`wider than the window: ${document.documentElement.scrollWidth}`);
  return faults;
}
