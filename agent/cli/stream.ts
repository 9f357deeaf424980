// How a verb that listens ends.
import { exitCodes } from "./exit.ts";
import type { Output } from "./output.ts";

/** The exit code: a daemon that has gone is worth a word and a code, who leaves by himself knows. */
export function streamEnd(end: "left" | "ended", out: Output): number | undefined {
  if (end === "left") return undefined;
  out.progress({ schema: "simward/hint/1", hint: "the daemon ended the stream" }, () => "the daemon ended the stream");
  return exitCodes.notRunning;
}
