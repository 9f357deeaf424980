// simward ui: the vehicle as a page in a browser on this machine, for as long as the command runs.
import { systemRandom } from "../../../base/random.ts";
import { readUiFiles } from "../../ui/files.ts";
import { serveUi } from "../../ui/server.ts";
import { type Verb, wholeNumberOption } from "../verb.ts";

const idleMs = 30 * 60_000;

export const ui: Verb = {
  name: "ui",
  summary: "a page in a browser on this machine, while the command runs: what the status has, live, with charts",
  example: "simward ui --port 8080",
  options: [{ flags: "--port <port>", help: "of loopback; by default one that is free" }],
  async run({ api, out, clock, signal }, input) {
    const port = wholeNumberOption(input, "port", 1, 65_535) ?? 0;
    const files = await readUiFiles(pageFolder());
    const { url, closed } = await serveUi({ api: api("viewer"), files, port, clock, random: systemRandom, signal, idleMs });
    out.line({ schema: "simward/ui/1", url }, () => url);
    out.hint("good once, for this machine only; Ctrl-C ends it");
    await closed;
    return undefined;
  },
};

/** Beside the bundle, where build.mjs has put it; in the sources beside the server. */
function pageFolder(): URL {
  return new URL(import.meta.url.endsWith(".ts") ? "../../ui/page/" : "./page/", import.meta.url);
}
