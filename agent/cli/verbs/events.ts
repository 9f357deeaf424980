// simward events: what the daemon does, live, each step by its interface's name.
import type { ApiEvent } from "../../api/types.ts";
import { renderEvent } from "../render-event.ts";
import { streamEnd } from "../stream.ts";
import { textOption, type Verb, wholeNumberOption } from "../verb.ts";

export const events: Verb = {
  name: "events",
  summary: "what the daemon does, live, each step by its interface's name",
  example: "simward events --after 0 --json",
  options: [
    { flags: "--after <id>", help: "begin after this event, as far as the daemon remembers; 0 for all it remembers" },
    { flags: "--until <kind>", help: "end after an event of this kind" },
  ],
  async run({ api, out, signal }, input) {
    const after = wholeNumberOption(input, "after", 0, Number.MAX_SAFE_INTEGER);
    const until = textOption(input, "until");
    const end = await api("viewer").lines(
      after === undefined ? "/v1/events" : `/v1/events?after=${after}`,
      (line) => {
        const event = line as ApiEvent;
        out.line(event, () => renderEvent(event, out));
        return event.kind !== until;
      },
      signal,
    );
    return streamEnd(end, out);
  },
};
