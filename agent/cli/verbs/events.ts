// simward events: what the daemon does, live, each step by its interface's name.
import { SimwardError } from "../../../base/errors.ts";
import type { ApiEvent } from "../../api/types.ts";
import { renderEvent } from "../render-event.ts";
import { textOption, type Verb } from "../verb.ts";

export const events: Verb = {
  name: "events",
  summary: "what the daemon does, live, each step by its interface's name",
  example: "simward events --after 0 --json",
  options: [
    { flags: "--after <id>", help: "begin after this event, as far as the daemon remembers; 0 for all it remembers" },
    { flags: "--until <kind>", help: "end after an event of this kind" },
  ],
  async run({ api, out, signal }, input) {
    const after = textOption(input, "after");
    if (after !== undefined && !/^\d+$/.test(after))
      throw new SimwardError("USAGE", { detail: `--after ${after}: give the number of an event` });
    const until = textOption(input, "until");
    await api("viewer").lines(
      after === undefined ? "/v1/events" : `/v1/events?after=${after}`,
      (line) => {
        const event = line as ApiEvent;
        const text = renderEvent(event, out);
        if (out.json) out.line(event, () => "");
        else if (text !== undefined) out.line(event, () => text);
        return event.kind !== until;
      },
      signal,
    );
    return undefined;
  },
};
