// simward log tail, log level: the daemon's own log, masked as it was written, for who has no journal at hand.
import { SimwardError } from "../../../base/errors.ts";
import type { LogLevelReport, LogLine } from "../../api/trace-types.ts";
import type { Output } from "../output.ts";
import { streamEnd } from "../stream.ts";
import { needReason, type Verb, wholeNumberOption } from "../verb.ts";

const levels = ["debug", "info", "warn", "error"] as const;

export const logTail: Verb = {
  name: "log tail",
  summary: "the last lines of the daemon's log",
  example: "simward log tail -n 20 --follow",
  options: [
    { flags: "-n, --lines <n>", help: "how many", default: "50" },
    { flags: "-f, --follow", help: "go on as they are written, until the daemon ends" },
  ],
  async run({ api, out, signal }, input) {
    const last = wholeNumberOption(input, "lines", 1, 500) ?? 50;
    const client = api("engineer");
    let seq = 0;
    const take = (value: unknown): boolean => {
      const line = value as LogLine;
      seq = line.seq;
      out.line(line, () => renderLogLine(line, out));
      return true;
    };
    await client.lines(`/v1/log/stored?last=${last}`, take, signal);
    if (input.options.follow !== true) return undefined;
    return streamEnd(await client.lines(`/v1/log?after=${seq}`, take, signal), out);
  },
};

const styles = { debug: "dim", info: "bold", warn: "yellow", error: "red" } as const;

function renderLogLine({ time, level, event, fields }: LogLine, out: Output): string {
  const facts = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return out.fields([[`${time.slice(11, 19)} ${out.paint(styles[level], level.padEnd(5))}`, [event, ...facts]]]);
}

export const logLevel: Verb = {
  name: "log level",
  summary: "what the daemon logs, or change it until it starts anew; changing is the admin's, audited",
  example: 'simward log level debug --reason "vehicle in the workshop"',
  args: [{ name: "level", help: levels.join(", "), optional: true, choices: levels }],
  async run({ api, out }, input) {
    const wanted = input.args[0];
    if (wanted !== undefined && !levels.some((level) => level === wanted))
      throw new SimwardError("USAGE", { detail: `${JSON.stringify(wanted)}: give ${levels.join(", ")}` });
    const report =
      wanted === undefined
        ? await api("viewer").call<LogLevelReport>("GET", "/v1/log/level")
        : await api("admin").call<LogLevelReport>("POST", "/v1/log/level", { level: wanted, reason: needReason(input) });
    out.result(report, () => report.level);
    return undefined;
  },
};
