// One reply as it comes: what was heard, words, items, the slate, reasons, a question, what did less than asked.

import { announce, sentences } from "./announce.js";
import { el, told } from "./dom.js";
import { icon } from "./icons.js";
import { nameOf } from "./item.js";
import { SlateView } from "./slate.js";
import { troubleNote } from "./trouble.js";
import { duration, hasWord, say, word } from "./words.js";

/** A turn of the conversation: the message of the person, and the reply below it. */
export class Turn {
  constructor(message, { noun, acts }) {
    this.acts = acts; // {say, why, heard, undo}
    this.noun = noun;
    this.slate = null;
    this.voice = sentences();
    this.heardLine = el("p", { class: "heard", hidden: true });
    this.body = el("div", { class: "body" });
    this.foot = el("footer", { class: "foot" });
    this.dots = el("p", { class: "dots", role: "img", label: "thinking" }, el("i"), el("i"), el("i"));
    const asked = el("div", { class: "asked" }, el("h2", { class: "hidden", words: "you-said" }), told(message, { class: "message" }), this.heardLine);
    const reply = el("div", { class: "reply" }, el("h3", { class: "hidden", words: "palate-said" }), this.body, this.dots, this.foot);
    this.node = el("article", { class: "turn" }, message ? asked : null, reply);
  }

  /** Take the next piece. */
  take(name, piece) {
    const takers = { heard: this.#heard, words: this.#words, mention: this.#mention, slate: this.#slated, reason: this.#reasoned, done: this.#done };
    takers[name]?.call(this, piece);
  }

  /** The reply was stopped by the person. */
  stopped() {
    this.#end();
    this.foot.prepend(el("p", { class: "quiet", words: "stopped" }));
  }

  /** The reply broke off. */
  failed(error, retry) {
    this.#end();
    this.body.append(troubleNote(error, retry));
  }

  /** Nothing of it may be changed any more: a newer turn follows. */
  settle() {
    this.foot.querySelector(".undo")?.remove();
    this.body.querySelector(".options")?.remove();
  }

  #end() {
    this.voice.end();
    this.dots.remove();
    this.slate?.whole();
    this.paragraph = null;
  }

  #heard({ understood }) {
    const said = understood.constraints.map((one) => one.said);
    if (!said.length) return;
    const unique = [...new Set(said)];
    this.heardLine.append(el("span", { words: "understood" }), ...unique.map((text) => told(text, { class: "chip" })));
    this.heardLine.hidden = false;
  }

  #words({ text }) {
    if (this.paragraph || text.trim()) this.#running().append(text);
    this.voice.hear(text);
  }

  #mention({ item, place }) {
    const press = () => (place && this.slate ? this.slate.point(place) : this.acts.why(item));
    const named = el("button", { type: "button", class: "mention", on: { click: press } }, told(nameOf(item)));
    this.#running().append(named);
    this.voice.hear(nameOf(item).replace(/[.!?\n。！？]/g, " "));
  }

  #running() {
    if (!this.paragraph) {
      this.paragraph = el("p", { class: "words" });
      this.body.append(this.paragraph);
    }
    return this.paragraph;
  }

  #slated({ slate, where }) {
    this.paragraph = null;
    if (!slate.recommendations.length) return;
    const { why, heard } = this.acts;
    this.slate = new SlateView(slate, { where, noun: this.noun, why, heard });
    this.body.append(this.slate.node);
    const titles = slate.recommendations.map((one) => `${one.rank}. ${one.item.title}`);
    announce(titles.join("; "));
  }

  #reasoned({ place, rationale }) {
    this.slate?.reason(place, rationale);
  }

  #done(reply) {
    if (!this.body.hasChildNodes() && reply.text) this.#words({ text: reply.text });
    if (reply.slate && !this.slate) this.#slated({ slate: reply.slate });
    if (this.slate) this.slate.where = whereOf(reply.state);
    this.#end();
    if (reply.question?.options.length) this.body.append(this.#options(reply.question));
    this.foot.append(...this.#footOf(reply));
  }

  #options(question) {
    const chips = question.options.map((one) =>
      el("button", { type: "button", class: "option", dir: "auto", on: { click: () => this.acts.say(one.label) } }, told(one.label)),
    );
    const skip = el("button", { type: "button", class: "option pass", words: "skip-question", on: { click: () => this.acts.say(word("skip-question.said")) } });
    return el("div", { class: "options", role: "group", label: "question" }, ...chips, skip);
  }

  #footOf({ degraded = [], timings_ms: timings = {} }) {
    const undo = el("button", { type: "button", class: "undo", on: { click: this.acts.undo } }, icon("undo"), el("span", { words: "undo" }));
    const took = timings.total ? el("span", { class: "took" }, duration(timings.total)) : null;
    return [...degradedLines(degraded), el("p", { class: "last" }, undo, took)];
  }
}

/** What did less than asked, as quiet lines. */
export function degradedLines(degraded) {
  return degraded.map(({ stage, reason }) => {
    const key = hasWord(`degraded.${stage}`) ? `degraded.${stage}` : "degraded.other";
    return el("p", { class: "degraded", dir: "auto" }, say(el("span"), key, { stage }), " ", el("span", { class: "cause" }, reason));
  });
}

/** The hard constraints of a conversation as one filter, or null. */
export function whereOf(state) {
  const tests = (state?.constraints ?? []).filter((one) => one.hard && one.test).map((one) => one.test);
  return tests.length ? tests.join(" and ") : null;
}
