// The conversation: sends what is said, takes the reply as it comes, stops it, takes the last message back, resumes.

import * as api from "./api.js";
import { announce } from "./announce.js";
import { byId, el, told } from "./dom.js";
import { icon } from "./icons.js";
import { keep, kept } from "./memory.js";
import { bring } from "./motion.js";
import { open } from "./panels.js";
import { Turn } from "./reply.js";
import { eventsOf } from "./stream.js";
import { troubleNote } from "./trouble.js";
import { label, word } from "./words.js";

/** The conversation on the page; `changed` is told whenever the taste may have. What is said waits for `ready`. */
export class Chat {
  constructor(changed) {
    this.changed = changed;
    this.noun = ""; // what the catalogue holds
    this.ready = Promise.resolve();
    this.id = null;
    this.turns = [];
    this.running = null;
    this.undoing = false;
    this.message = byId("message");
    byId("composer").addEventListener("submit", (event) => this.#submitted(event));
    this.message.addEventListener("keydown", (event) => this.#typed(event));
    this.message.addEventListener("input", () => this.#fit());
    this.#busy(false);
  }

  /** Begin anew, with nothing on the page. */
  begin() {
    this.stop();
    this.#show(null, [], null);
    this.message.focus();
  }

  /** Show a conversation that was kept, in place of the one on the page. */
  async resume(id) {
    this.stop();
    await this.open(id);
  }

  /** Show the conversation that was kept under the id; where it is there no more, or for none, an empty one. */
  async open(id) {
    try {
      const { turns, state } = id ? await api.conversation(id) : { turns: [], state: null };
      this.#show(id || null, turns, state);
    } catch (error) {
      this.#show(null, [], null);
      if (error.status !== 404) byId("log").append(troubleNote(error, () => this.open(id)));
    }
  }

  /** Stop the reply that is being written. */
  stop() {
    this.running?.abort();
  }

  /** Say something. */
  async say(message) {
    const said = message.trim();
    if (!said || this.running || this.undoing) return;
    this.running = new AbortController();
    this.#busy(true);
    await this.ready;
    this.turns.at(-1)?.settle();
    const turn = this.#turn(said);
    bring(turn.node);
    this.#keep(this.id ?? api.freshId()); // named here, so that it goes on where its first reply is stopped
    try {
      await this.#listen(turn, said, this.running.signal);
    } catch (error) {
      if (error.name === "AbortError") turn.stopped();
      else turn.failed(error, () => this.#anew(turn, said));
    } finally {
      this.running = null;
      this.#busy(false);
      this.changed();
    }
  }

  async #listen(turn, said, signal) {
    let ended = false;
    const view = this.#viewAnew();
    const shown = view?.slate;
    const body = await api.converse(said, this.id, view?.shown, signal);
    for await (const { name, payload } of eventsOf(body)) {
      if (name === "error") throw new api.Trouble(payload.status ?? 500, payload);
      turn.take(name, payload);
      if (name === "heard" && view?.slate === shown) view?.known();
      if (name === "done") {
        ended = true;
        this.#mind(payload.state);
      }
    }
    if (!ended) throw new api.Trouble(0);
  }

  /** The last slate, where the person's acts changed what it shows after the server gave it. */
  #viewAnew() {
    const view = this.turns.findLast((turn) => turn.slate)?.slate;
    return view?.anew ? view : null;
  }

  #anew(turn, said) {
    turn.node.remove();
    this.turns = this.turns.filter((one) => one !== turn);
    this.say(said);
  }

  /** Take the last message back: it returns to the field, and all that came of it goes. */
  async undo() {
    if (!this.id || this.running || this.undoing) return;
    this.undoing = true;
    const last = this.turns.at(-1);
    const id = this.id;
    try {
      const { state } = await api.undo(id);
      if (this.id !== id) return; // another conversation is on the page by now
      this.turns.pop().node.remove();
      this.#mind(state);
      if (!this.turns.length) this.#show(this.id, [], state);
      else await this.resume(this.id);
      this.message.value = last.said;
      this.#fit();
      this.message.focus();
      announce(word("undone"));
      this.changed();
    } catch (error) {
      last.failed(error);
    } finally {
      this.undoing = false;
    }
  }

  #turn(said) {
    byId("welcome").hidden = true;
    const acts = {
      say: (text) => this.say(text),
      why: (item) => open("why", item),
      heard: () => this.changed(),
      undo: () => this.undo(),
    };
    const turn = new Turn(said, { noun: this.noun, acts });
    turn.said = said;
    this.turns.push(turn);
    byId("log").append(turn.node);
    return turn;
  }

  #show(id, turns, state) {
    this.#keep(id);
    this.turns = [];
    byId("log").replaceChildren();
    byId("welcome").hidden = turns.length > 0;
    for (const [n, one] of turns.entries()) if (one.role === "user") this.#replay(one, turns[n + 1], state);
    this.turns.slice(0, -1).forEach((turn) => turn.settle());
    this.#mind(state);
    if (this.turns.length) bring(this.turns.at(-1).node);
  }

  #replay(asked, answered, state) {
    const turn = this.#turn(asked.text);
    turn.voice = { hear() {}, end() {} }; // what was said before is not said aloud again
    const reply = answered?.role === "assistant" ? answered : { text: "" };
    if (reply.text) turn.take("words", { text: reply.text });
    if (reply.slate) turn.take("slate", { slate: reply.slate });
    turn.take("done", { text: "", state, question: null });
  }

  #keep(id) {
    this.id = id;
    keep(`conversation.${api.user()}`, id ?? "");
  }

  /** What the conversation holds on to, above the field. */
  #mind(state) {
    const line = byId("mind");
    const held = [...(state?.wishes ?? []).slice(-1), ...(state?.constraints ?? []).map((one) => one.said)];
    line.hidden = !held.length || state.turn < 2; // after the first message it stands there anyway
    line.replaceChildren(el("span", { words: "mind" }), ...[...new Set(held)].slice(-6).map((text) => told(text, { class: "chip" })));
  }

  #submitted(event) {
    event.preventDefault();
    if (this.running) return this.stop();
    if (this.undoing) return; // what was typed stays
    const said = this.message.value;
    if (!said.trim()) return this.message.focus();
    this.message.value = "";
    this.#fit();
    this.say(said);
  }

  #typed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!this.running) byId("composer").requestSubmit();
  }

  #fit() {
    this.message.style.height = "auto";
    this.message.style.height = `${Math.min(this.message.scrollHeight, 180)}px`;
  }

  #busy(is) {
    const send = byId("send");
    label(send, is ? "stop" : "send");
    send.replaceChildren(icon(is ? "stop" : "up"));
    send.classList.toggle("stops", is);
    byId("log").setAttribute("aria-busy", String(is));
  }
}

/** The conversation that was open last for this person, or an empty text. */
export function lastOpen() {
  return kept(`conversation.${api.user()}`);
}
