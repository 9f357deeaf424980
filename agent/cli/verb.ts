// What a verb of the command line is. Adding one is one file in verbs/ and one row in verbs/table.ts.
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { ApiClient } from "./client.ts";
import type { Output } from "./output.ts";
import type { Screen } from "./screen.ts";

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
  /** --dry-run: nothing comes to pass of which there would be progress. */
  readonly isDryRun?: boolean;
  readonly clock: Clock;
  /** The terminal that stdout is; undefined where it is none. */
  readonly screen?: Screen | undefined;
  /** The same output for another width. */
  readonly outputAt: (columns: number) => Output;
}

export interface VerbArgument {
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
  /** What it may be, where that is a fixed list; for completion and help. */
  readonly choices?: readonly string[];
}

export interface VerbOption {
  readonly flags: string;
  readonly help: string;
  readonly default?: string;
}

export interface Verb {
  /** "status", "audit tail" */
  readonly name: string;
  readonly summary: string;
  /** A command line that works. */
  readonly example: string;
  readonly args?: readonly VerbArgument[];
  readonly options?: readonly VerbOption[];
  /** How long the daemon may take to answer, unless --timeout says otherwise; 30 by default. */
  readonly timeoutSeconds?: number;
  /**
   * What it costs, in words, where it cannot be undone or may cost the vehicle its network: a person at a terminal is asked, all others need --yes
   * and --reason. Both options are added to the verb's own.
   */
  readonly danger?: string;
  /** It changes something: --reason is added to its options, and goes with what is asked. Told by its row of the table. */
  readonly writes?: boolean;
  /** It takes so long that it tells how far it is; its JSON is of type result. */
  readonly hasProgress?: boolean;
  /** Answers the exit code where that is not 0. */
  run(context: CliContext, input: VerbInput): Promise<number | undefined>;
}

export const reasonOption: VerbOption = { flags: "--reason <text>", help: "why, for the audit trail" };
export const yesOption: VerbOption = { flags: "--yes", help: "it is meant; without it a person at a terminal is asked" };

/** With what every verb that changes something has, and every dangerous one. */
export function optionsOf({ options = [], danger, writes }: Pick<Verb, "options" | "danger" | "writes">): readonly VerbOption[] {
  return [...options, ...(danger === undefined ? [] : [yesOption]), ...(danger === undefined && writes !== true ? [] : [reasonOption])];
}

export function textOption(input: VerbInput, name: string): string | undefined {
  const value = input.options[name];
  return typeof value === "string" ? value : undefined;
}

/** What was typed, so that nothing is seen too. */
export const asTyped = (text: string): string => (text === "" ? "''" : text);

/** Throws USAGE. */
export function wholeNumberOption(input: VerbInput, name: string, least: number, most: number): number | undefined {
  const text = textOption(input, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,15}$/.test(text) || value < least || value > most) {
    const bounds = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
    throw new SimwardError("USAGE", { detail: `--${name} ${asTyped(text)}: give a whole number ${bounds}` });
  }
  return value;
}

/** A day is its beginning in UTC. Throws USAGE. */
export function timeOption(input: VerbInput, name: string): string | undefined {
  const text = textOption(input, name);
  if (text === undefined) return undefined;
  const isTime = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/i.test(text);
  const ms = isTime ? Date.parse(text.toUpperCase()) : Number.NaN;
  if (Number.isNaN(ms))
    throw new SimwardError("USAGE", { detail: `--${name} ${asTyped(text)}: give RFC 3339, such as 2026-06-01T08:00:00Z or 2026-06-01` });
  return new Date(ms).toISOString();
}

/** Throws USAGE. */
export function needReason(input: VerbInput): string {
  const reason = textOption(input, "reason")?.trim();
  if (reason === undefined || reason === "") throw new SimwardError("USAGE", { detail: "give a --reason for the audit trail" });
  return reason;
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000 };

/** "60", "60s", "2m", "500ms"; without a unit it is seconds. Throws USAGE. */
export function durationMs(name: string, text: string): number {
  const [, figures = "", unit = "s"] = /^(\d{1,9}(?:\.\d+)?)(ms|s|m|min|h)?$/.exec(text.trim()) ?? [];
  const ms = Number(figures) * (units[unit] ?? 0);
  if (figures === "" || ms <= 0)
    throw new SimwardError("USAGE", { detail: `--${name} ${asTyped(text)}: give a time, such as 60s, 2m or 500ms` });
  return ms;
}
