// The server's routes as functions. Whatever fails comes as a Trouble, which trouble.js has the words for.

import { kept } from "./memory.js";

/** What went wrong: `status` of the answer (0: none came), its problem, and the seconds after which to try again. */
export class Trouble extends Error {
  constructor(status, problem = {}, retryAfterS = null) {
    super(problem.detail ?? problem.title ?? `status ${status}`);
    this.status = status;
    this.problem = problem;
    this.retryAfterS = retryAfterS;
  }
}

let bound = null;

/** Who is asking: whom the key belongs to, or the name given here. */
export function user() {
  return bound ?? kept("user", "me");
}

async function call(method, path, body, signal) {
  const headers = { Accept: "application/json, text/event-stream" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (kept("key")) headers.Authorization = `Bearer ${kept("key")}`;
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const wanted = { method, headers, body: sent, signal, cache: "no-store", credentials: "omit" };
  const answer = await fetch(path, wanted).catch((error) => {
    throw error.name === "AbortError" ? error : new Trouble(0);
  });
  if (!answer.ok) throw await troubleOf(answer);
  return answer;
}

async function troubleOf(answer) {
  const problem = await answer.json().catch(() => ({}));
  const after = Number.parseFloat(answer.headers.get("Retry-After") ?? "");
  return new Trouble(answer.status, problem, Number.isFinite(after) ? Math.max(1, Math.ceil(after)) : null);
}

async function read(method, path, body, signal) {
  const answer = await call(method, path, body, signal);
  return answer.status === 204 ? null : answer.json();
}

function asked(path, values) {
  return `${path}?${new URLSearchParams(values)}`;
}

/** What the page needs to begin; who the key belongs to is asked for from now on. */
export async function page() {
  const about = await read("GET", "v1/page");
  bound = about.user ?? null;
  return about;
}

/** The body of a reply as it comes: a stream of events. `shown` are the ids on the screen where they were ranked anew. */
export async function converse(message, conversationId, shown, signal) {
  const said = { user: user(), message, conversation_id: conversationId };
  if (shown) said.shown = shown;
  return (await call("POST", "v1/converse", said, signal)).body;
}

/** The conversations of the person, newest first. */
export function conversations() {
  return read("GET", asked("v1/conversations", { user: user() }));
}

/** One conversation: its turns and its state. */
export function conversation(id) {
  return read("GET", asked(`v1/conversations/${encodeURIComponent(id)}`, { user: user() }));
}

/** Take the last message of a conversation back. */
export function undo(id) {
  return read("POST", asked(`v1/conversations/${encodeURIComponent(id)}/undo`, { user: user() }), { user: user() });
}

/** A slate for a wish and a filter, as things stand now. */
export function recommend(wish, where, k, signal) {
  const said = { user: user(), k };
  if (wish) said.wish = wish;
  if (where) said.where = where;
  return read("POST", "v1/recommend", said, signal);
}

/** An id that nothing else has. */
export function freshId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Write one act on an item: `like`, `dislike` or `view`. Told again under the same id, it stays one act. */
export function tell(kind, itemId, eventId) {
  return read("POST", "v1/events", { events: [{ user: user(), kind, item_id: itemId, event_id: eventId }] });
}

/** Take an act back by the id of its event. */
export function untell(eventId) {
  return read("DELETE", asked(`v1/events/${encodeURIComponent(eventId)}`, { user: user() }));
}

/** What is known of the person. */
export function profile() {
  return read("GET", asked("v1/profile", { user: user() }));
}

/** Set interests to shares: 0 removes one, null gives it back to the evidence. */
export function correct(interests) {
  return read("PATCH", "v1/profile", { user: user(), interests });
}

/** The path of an item. */
export function why(itemId) {
  return read("GET", asked("v1/why", { user: user(), item: itemId }));
}

/** Erase everything about the person. */
export function forget() {
  return read("DELETE", `v1/users/${encodeURIComponent(user())}`);
}
