// Palate's page: brings the parts together and begins.

import * as api from "./api.js";
import { Chat, lastOpen } from "./chat.js";
import { byId, drawIcons, el } from "./dom.js";
import { wireForget } from "./forget.js";
import { kept } from "./memory.js";
import { shut, toggle, wirePanels } from "./panels.js";
import { wirePast } from "./past.js";
import { wireSettings } from "./settings.js";
import { refreshTaste, wireTaste } from "./taste.js";
import { troubleNote } from "./trouble.js";
import { wireWhy } from "./why.js";
import { speak, word } from "./words.js";

const STARTS = 3; // tags among the suggestions
let about = {};
const chat = new Chat(changed);

speak(kept("language") || (navigator.language.startsWith("zh") ? "zh" : "en"));
drawIcons(document);
wirePanels();
wireWhy();
wireTaste(changed);
wirePast(chat);
wireSettings(() => about, () => begin(true));
wireForget(() => {
  chat.begin();
  suggest();
});
for (const id of ["past", "taste", "settings"]) byId(`open-${id}`).addEventListener("click", () => toggle(id));
byId("new").addEventListener("click", () => chat.begin());
document.addEventListener("keydown", ({ key, target, ctrlKey, metaKey, altKey }) => {
  const writes = key.length === 1 && key !== " " && !ctrlKey && !metaKey && !altKey;
  if (writes && target === document.body) byId("message").focus(); // what is typed goes where it is meant to
});
begin();

/** Begin for the person who asks: at first, and after another name or key was `given` in the settings. */
function begin(given = false) {
  chat.stop();
  chat.ready = begun(given);
}

async function begun(given) {
  byId("log").replaceChildren();
  try {
    about = await api.page();
    chat.noun = about.noun;
    if (about.language && !kept("language")) speak(about.language);
    if (about.key_needed && !kept("key")) throw new api.Trouble(401);
    if (given) shut("settings"); // whoever opened them before the server had answered goes on in them
    await suggest();
    await chat.open(lastOpen());
    await changed();
  } catch (error) {
    byId("log").replaceChildren(troubleNote(error, () => begin()));
  }
}

/** The taste may have changed: what shows it is drawn anew. */
async function changed() {
  await refreshTaste(changed);
}

/** Words to begin with: the person's largest interests, or the catalogue's, and a surprise. */
async function suggest() {
  const profile = await api.profile();
  const tags = Object.keys(profile.interests).slice(0, STARTS);
  const starts = [...tags.map((tag) => ["start.tag", { tag }]), ["start.surprise", {}]];
  byId("starts").replaceChildren(
    ...starts.map(([key, values]) => {
      const press = () => chat.say(word(key, values));
      return el("li", {}, el("button", { type: "button", class: "option", on: { click: press } }, el("bdi", { words: [key, values] })));
    }),
  );
}
