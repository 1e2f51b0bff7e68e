// A slate as cards: what is recommended, why, and buttons that act at once and let the slate be ranked anew.

import * as api from "./api.js";
import { announce } from "./announce.js";
import { el, told } from "./dom.js";
import { icon } from "./icons.js";
import { nameOf, tagsOf, titleOf } from "./item.js";
import { moved } from "./motion.js";
import { reasonOf } from "./reason.js";
import { troubleNote } from "./trouble.js";
import { say, word } from "./words.js";

const ACTS = { like: "heart", dislike: "cross", view: "eye" };

/** A slate in the conversation. `where` is the filter it was made with; `heard` is told of every act. */
export class SlateView {
  constructor(slate, { where = null, noun = "", heard = () => {}, why = () => {} } = {}) {
    this.slate = slate;
    this.where = where;
    this.heard = heard;
    this.why = why;
    this.anew = false; // whether it was ranked anew since the server last heard what is shown
    this.k = slate.recommendations.length;
    this.cards = new Map();
    this.list = el("ol", { class: "cards", label: ["slate", { n: this.k, noun }] });
    this.noted = el("ul", { class: "noted", label: "noted" });
    this.trouble = el("div");
    this.node = el("div", { class: "slate" }, this.noted, this.list, this.trouble);
    this.#draw(slate);
  }

  /** The item ids as they are shown, first place first. */
  get shown() {
    return this.slate.recommendations.map((one) => one.item.item_id);
  }

  /** The server has heard what is shown. */
  known() {
    this.anew = false;
  }

  /** Show the reason of the item at this place. */
  reason(place, rationale) {
    const one = this.slate.recommendations[place - 1];
    if (!one) return;
    one.rationale = rationale;
    this.cards.get(one.item.item_id).reason(rationale);
  }

  /** Say that no more reasons come. */
  whole() {
    for (const card of this.cards.values()) card.whole();
  }

  /** Bring the card at this place into view, and mark it for a moment. */
  point(place) {
    const one = this.slate.recommendations[place - 1];
    this.cards.get(one?.item.item_id)?.point();
  }

  #draw(slate) {
    this.slate = slate;
    const before = this.cards;
    this.cards = new Map();
    slate.recommendations.forEach((one) => {
      const card = before.get(one.item.item_id) ?? new Card(one, this);
      card.place(one);
      this.cards.set(one.item.item_id, card);
    });
    this.list.replaceChildren(...[...this.cards.values()].map((card) => card.node));
  }

  /** Write what the person did with an item, and rank the slate anew with it; tried again, it is the same event. */
  async act(kind, item, eventId = api.freshId()) {
    this.trouble.replaceChildren();
    if (this.cards.get(item.item_id)?.press(kind) === false) return;
    try {
      await api.tell(kind, item.item_id, eventId);
    } catch (error) {
      this.cards.get(item.item_id)?.release(kind);
      this.trouble.replaceChildren(troubleNote(error, () => this.act(kind, item, eventId)));
      return;
    }
    this.#note(kind, item, eventId);
    this.heard();
    await this.#again();
  }

  #note(kind, item, eventId) {
    const words = el("span", { words: `noted.${kind}` });
    const named = { label: ["undo.of", { title: clipped(item.title) }] };
    const takeBack = () => this.#takeBack(line, back, eventId, () => this.cards.get(item.item_id)?.release(kind));
    const back = el("button", { type: "button", class: "undo", icon: "undo", ...named, on: { click: takeBack } });
    const line = el("li", {}, icon(ACTS[kind]), words, told(nameOf(item), { class: "title" }), back);
    this.noted.append(line);
    announce(`${word(`noted.${kind}`)} ${item.title}.`);
  }

  async #takeBack(line, back, eventId, release) {
    this.trouble.replaceChildren();
    back.disabled = true;
    try {
      await api.untell(eventId);
    } catch (error) {
      back.disabled = false;
      this.trouble.replaceChildren(troubleNote(error));
      return;
    }
    line.remove();
    release();
    this.heard();
    await this.#again();
  }

  /** Rank the slate anew; where that fails it may be tried again, apart from what was written before. */
  async #again() {
    this.asking?.abort();
    const asking = new AbortController();
    this.asking = asking;
    this.#busy(true);
    try {
      const slate = await api.recommend(this.slate.wish, this.where, this.k, asking.signal);
      if (slate.recommendations.length) this.#arrange({ ...slate, wish: slate.wish ?? this.slate.wish });
    } catch (error) {
      if (error.name !== "AbortError") this.trouble.replaceChildren(troubleNote(error, () => this.#again()));
    } finally {
      if (this.asking === asking) this.#busy(false);
    }
  }

  #arrange(slate) {
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    moved(this.list, () => this.#draw(slate));
    this.anew = true;
    this.whole();
    if (focused) (focused.isConnected ? focused : this.list.firstElementChild).focus({ preventScroll: true });
    announce(word("slate.again", { n: this.shown.length, first: slate.recommendations[0].item.title }));
  }

  #busy(is) {
    this.list.setAttribute("aria-busy", String(is));
  }
}

class Card {
  constructor(one, slate) {
    this.slate = slate;
    this.item = one.item;
    this.number = el("span", { class: "number", "aria-hidden": "true" });
    this.reasonBox = el("div", { class: "because" }, waiting());
    this.buttons = new Map(Object.keys(ACTS).map((kind) => [kind, this.#button(kind)]));
    this.node = el("li", { class: "card", tabindex: -1 }, this.number, this.#content());
  }

  #content() {
    const head = el("h4", {}, ...titleOf(this.item));
    this.explored = el("p", { class: "explored", words: "explored", hidden: true });
    const acts = el("div", { class: "acts" }, ...this.buttons.values(), this.#whyButton());
    return el("div", { class: "content" }, head, tagsOf(this.item), this.explored, this.reasonBox, acts);
  }

  #button(kind) {
    const words = el("span", { words: `act.${kind}` });
    const press = () => this.slate.act(kind, this.item);
    const named = { label: [`act.${kind}.of`, { title: clipped(this.item.title) }], "aria-pressed": "false" };
    return el("button", { type: "button", class: `act ${kind}`, icon: ACTS[kind], ...named, on: { click: press } }, words);
  }

  #whyButton() {
    const named = { label: ["act.why.of", { title: clipped(this.item.title) }], "aria-haspopup": "dialog" };
    const press = () => this.slate.why(this.item);
    return el("button", { type: "button", class: "act why", icon: "path", ...named, on: { click: press } }, el("span", { words: "act.why" }));
  }

  place(one) {
    this.number.textContent = String(one.rank);
    this.explored.hidden = !(one.explored ?? one.path?.some((step) => step.stage === "slate" && step.source === "explored"));
    if (one.rationale) this.reason(one.rationale);
  }

  reason(rationale) {
    this.reasonBox.replaceChildren(...reasonOf(rationale, this.slate.slate.wish).filter(Boolean));
  }

  whole() {
    if (this.reasonBox.querySelector(".waiting")) this.reasonBox.replaceChildren(el("p", { class: "quiet", words: "reason.none" }));
  }

  /** Show which act holds; whether that is new. */
  press(kind) {
    const before = [...this.buttons].find(([, button]) => button.getAttribute("aria-pressed") === "true")?.[0] ?? null;
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", String(name === kind));
    return kind !== before;
  }

  /** Let go of an act that does not hold any more. */
  release(kind) {
    if (this.buttons.get(kind).getAttribute("aria-pressed") === "true") this.press(null);
  }

  point() {
    this.node.scrollIntoView({ block: "center", behavior: "smooth" });
    this.node.focus({ preventScroll: true });
  }
}

function waiting() {
  return say(el("p", { class: "waiting" }), "reason.coming");
}

function clipped(title) {
  return title.length > 80 ? `${title.slice(0, 78)}…` : title;
}
