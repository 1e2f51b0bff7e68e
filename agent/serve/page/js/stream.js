// Server-sent events out of the body of a fetch, one by one.

import { Trouble } from "./api.js";

/** The events of a stream, each `{name, payload}`. Leaving the loop early gives the connection back. */
export async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((error) => {
        throw error.name === "AbortError" ? error : new Trouble(0);
      });
      if (done) return;
      const blocks = (held + value).split(/\r?\n\r?\n/);
      held = blocks.pop();
      for (const block of blocks) {
        const event = eventOf(block);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function eventOf(block) {
  let name = "message";
  const lines = [];
  for (const line of block.split(/\r?\n/)) {
    const [, field, text] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") name = text;
    if (field === "data") lines.push(text);
  }
  return lines.length ? { name, payload: JSON.parse(lines.join("\n")) } : null; // a comment keeps the line open
}
