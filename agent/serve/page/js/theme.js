// Before anything is drawn: the theme chosen here earlier, so that a page that is to be dark never flashes white.
(() => {
  try {
    const chosen = localStorage.getItem("palate.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // storage is refused: the theme of the system holds
  }
})();
