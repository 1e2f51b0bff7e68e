// Why an item has its place: the reason, the way it took from stage to stage in words, and what the catalogue says of it.

import * as api from "./api.js";
import { byId, el, told } from "./dom.js";
import { factsOf, tagsOf, titleOf } from "./item.js";
import { onOpen } from "./panels.js";
import { reasonOf } from "./reason.js";
import { degradedLines } from "./reply.js";
import { troubleNote } from "./trouble.js";
import { hasWord, number } from "./words.js";

const STAGES = ["recall", "prior", "rerank", "images", "blend", "slate"];

/** Fill the drawer each time it opens, with the item it is opened for. */
export function wireWhy() {
  onOpen("why", fill);
}

async function fill(item) {
  const body = byId("why-body");
  body.replaceChildren(el("h3", { class: "name" }, ...titleOf(item)), el("p", { class: "waiting", words: "why.coming" }));
  try {
    const answer = await api.why(item.item_id);
    draw(body, item, answer);
  } catch (error) {
    body.lastChild.replaceWith(troubleNote(error, () => fill(item)));
  }
}

function draw(body, item, answer) {
  const [one] = answer.recommendations;
  const whole = one?.item ?? item;
  const path = one?.path ?? [];
  const wish = answer.wish ? el("p", { class: "quiet" }, el("span", { words: "why.wish" }), told(` “${answer.wish}”`)) : null;
  body.replaceChildren(
    el("h3", { class: "name" }, ...titleOf(whole)),
    tagsOf(whole, 12) ?? "",
    one?.rationale ? el("div", { class: "because" }, ...reasonOf(one.rationale, answer.wish).filter(Boolean), checked(one.rationale)) : "",
    wish ?? "",
    journey(path),
    ...stagesOf(path),
    ...degradedLines(answer.degraded ?? []),
    el("h4", { words: "why.facts" }),
    whole.text ? el("p", { class: "text", dir: "auto" }, whole.text) : "",
    factsOf(whole),
    ...promptsOf(answer.prompts ?? {}),
  );
}

function checked(rationale) {
  return el("p", { class: "quiet small", words: `source.${rationale.source}` });
}

/** The ranks from stage to stage, as steps of a stair. */
function journey(path) {
  const ranks = new Map();
  for (const step of path) {
    const whole = ["fuse", "prior", "blend", "slate"].includes(step.source) || step.stage === "rerank";
    if (whole && step.rank && !ranks.has(step.stage)) ranks.set(step.stage, step.rank);
  }
  if (!ranks.size) return "";
  const steps = STAGES.filter((stage) => ranks.has(stage)).map((stage) =>
    el("li", {}, el("b", {}, `#${number(ranks.get(stage))}`), el("span", { words: `journey.${stage}` })),
  );
  return el("div", {}, el("h4", { words: "why.way" }), el("ol", { class: "journey" }, ...steps));
}

function stagesOf(path) {
  return STAGES.map((stage) => [stage, path.filter((step) => step.stage === stage)])
    .filter(([, steps]) => steps.length)
    .map(([stage, steps]) => el("div", { class: "stage" }, el("h4", { words: `stage.${stage}` }), bars(steps)));
}

function bars(steps) {
  return el("ul", { class: "bars" }, ...steps.map(bar));
}

function bar(step) {
  const fill = el("i");
  fill.style.setProperty("--share", String(heightOf(step)));
  const rank = step.rank ? el("span", { class: "rank", words: ["why.rank", { rank: number(step.rank) }] }) : null;
  const score = el("span", { class: "score" }, number(step.score, Math.abs(step.score) < 10 ? 2 : 0));
  return el("li", {}, el("span", { class: "source" }, sourceWord(step)), el("span", { class: "track", "aria-hidden": "true" }, fill), rank, score);
}

/** A bar is as long as the discounted gain of its rank (1 / log2(1 + rank)), or of the score where there is no rank. */
function heightOf({ rank, score }) {
  return rank ? 1 / Math.log2(1 + rank) : Math.min(1, Math.abs(score));
}

function sourceWord({ stage, source }) {
  for (const key of [`source.${stage}.${source}`, `source.${source}`]) if (hasWord(key)) return el("span", { words: key });
  return told(source);
}

function promptsOf(prompts) {
  const rows = Object.entries(prompts);
  if (!rows.length) return [];
  const list = rows.flatMap(([name, mark]) => [el("dt", {}, name), el("dd", {}, el("code", {}, mark.slice(0, 12)))]);
  return [el("h4", { words: "why.prompts" }), el("dl", { class: "facts" }, ...list)];
}
