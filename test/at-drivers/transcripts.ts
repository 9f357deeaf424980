// Dialogues as text files, and a module in memory that plays them back.
// A line is `command => reply line | reply line [source]`; `#` begins a comment.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { answersProbe, FarEnd } from "./far-end.ts";

const root = "test/transcripts";

export interface Exchange {
  readonly where: string;
  readonly command: string;
  readonly reply: readonly string[];
  readonly source: string;
}

/** Lines that stand for themselves, each with its expectation in transcripts.test.ts. */
export function transcriptFiles(): readonly string[] {
  return files().filter((name) => name !== backgroundFile && !name.endsWith(sessionFile));
}

/** Whole dialogues, one a family, played by families/sessions.test.ts. */
export function sessionFiles(): readonly string[] {
  return files().filter((name) => name.endsWith(sessionFile));
}

export const backgroundFile = "background.txt";
const sessionFile = "/session.txt";

function files(): readonly string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".txt"))
    .sort();
}

/** Throws for a line that is not of the form. */
export function readTranscript(name: string): readonly Exchange[] {
  return readFileSync(join(root, name), "utf8")
    .split("\n")
    .flatMap((line, index) => {
      if (line.trim() === "" || line.startsWith("#")) return [];
      const found = /^(\S.*?) => (.+) \[([^\]]+)\]$/.exec(line);
      if (found === null) throw new Error(`${name}:${index + 1}: ${line}`);
      const [, command = "", reply = "", source = ""] = found;
      return [{ where: `${name}:${index + 1}`, command, reply: reply.split(" | "), source }];
    });
}

/** Answers each command with its exchange's reply, `ERROR` to what the transcript does not have. */
export function playTranscript(exchanges: readonly Exchange[]): FarEnd {
  return new FarEnd((line) => {
    const exchange = exchanges.find(({ command }) => command === line);
    if (exchange !== undefined) return exchange.reply.map((text) => `\r\n${text}\r\n`).join("");
    return answersProbe(line) ?? "\r\nERROR\r\n";
  });
}
