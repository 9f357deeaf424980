// What a verb of the command line is. Adding one is one file in verbs/ and one row in verbs/table.ts.
import { SimwardError } from "../../base/errors.ts";
import type { ApiClient } from "./client.ts";
import type { Output } from "./output.ts";

export interface VerbInput {
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}

export interface CliContext {
  readonly out: Output;
  /** The socket of the least role that suffices, unless --socket says otherwise. */
  api(role: "viewer" | "engineer" | "admin"): ApiClient;
  readonly stateDir: string;
  readonly signal: AbortSignal;
}

export interface Verb {
  /** "status", "audit tail" */
  readonly name: string;
  readonly summary: string;
  /** A command line that works. */
  readonly example: string;
  readonly args?: readonly { readonly name: string; readonly help: string; readonly optional?: boolean }[];
  readonly options?: readonly { readonly flags: string; readonly help: string; readonly default?: string }[];
  /** How long the daemon may take to answer, unless --timeout says otherwise; 30 by default. */
  readonly timeoutSeconds?: number;
  /** Answers the exit code where that is not 0. */
  run(context: CliContext, input: VerbInput): Promise<number | undefined>;
}

export function textOption(input: VerbInput, name: string): string | undefined {
  const value = input.options[name];
  return typeof value === "string" ? value : undefined;
}

/** Throws USAGE. */
export function wholeNumberOption(input: VerbInput, name: string, least: number, most: number): number | undefined {
  const text = textOption(input, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,15}$/.test(text) || value < least || value > most)
    throw new SimwardError("USAGE", { detail: `--${name} ${text}: give a whole number from ${least} to ${most}` });
  return value;
}
