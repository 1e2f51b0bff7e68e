// Who is asking, the key, theme and language: all kept in this browser only.

import { user } from "./api.js";
import { byId, el } from "./dom.js";
import { keep, kept } from "./memory.js";
import { onOpen, open } from "./panels.js";
import { speak, spoken } from "./words.js";

const THEMES = ["system", "light", "dark"];
const LANGUAGES = { en: "English", zh: "中文" };

/** Fill the panel each time it opens. `about` is what the server told of itself; `moved` is called for another person. */
export function wireSettings(about, moved) {
  onOpen("settings", () => fill(about(), moved));
}

function fill(about, moved) {
  byId("settings-body").replaceChildren(
    who(about, moved),
    choice("settings.theme", "theme", THEMES.map((one) => [one, null]), kept("theme", "system"), setTheme),
    choice("settings.language", "language", Object.entries(LANGUAGES), spoken(), setLanguage),
    about.model && about.llm !== false ? el("p", { class: "quiet", words: ["settings.model", { model: about.model }] }) : "",
    el("p", { class: "end" }, el("button", { type: "button", class: "plain", words: "forget.open", on: { click: () => open("forget") } })),
  );
}

function who(about, moved) {
  const name = el("input", { id: "user", name: "user", value: user(), maxlength: 128, required: true, readonly: Boolean(about.user), autocapitalize: "none", spellcheck: "false" });
  const key = el("input", { id: "key", name: "key", type: "password", value: kept("key"), autocomplete: "off" });
  const submitted = (event) => {
    event.preventDefault();
    if (!about.user) keep("user", name.value.trim() || "me");
    keep("key", key.value.trim());
    moved();
  };
  const fields = [field("user", "settings.user", name), about.key_needed ? field("key", "settings.key", key) : null];
  const save = el("button", { type: "submit", class: "plain", words: "settings.save" });
  return el("form", { class: "who", on: { submit: submitted } }, ...fields, save);
}

function field(id, words, input) {
  return el("p", { class: "line" }, el("label", { for: id, words }), input);
}

function choice(words, name, options, chosen, pick) {
  const radios = options.map(([value, text]) => {
    const input = el("input", { type: "radio", name, value, checked: value === chosen, on: { change: () => pick(value) } });
    const named = text === null ? el("span", { words: `${name}.${value}` }) : el("span", { lang: value }, text);
    return el("label", {}, input, named);
  });
  return el("fieldset", { class: "choice" }, el("legend", { words }), el("div", {}, ...radios));
}

function setTheme(theme) {
  keep("theme", theme === "system" ? "" : theme);
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function setLanguage(language) {
  keep("language", language);
  speak(language);
}
