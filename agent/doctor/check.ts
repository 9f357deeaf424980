// What a check is, and how checks are run: in parallel, each with a deadline, none before what it stands on, so that one cause is one finding.
import { type Clock, deadline } from "../../base/clock.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { DoctorSection, Finding, FindingLevel } from "../api/doctor-types.ts";
import { cardMend } from "./card-mends.ts";
import { descriptorsMend, isWithoutDescriptors } from "./descriptors.ts";

/** What a check found. */
export interface Said {
  readonly level: FindingLevel;
  readonly cause?: string | undefined;
  readonly mend?: string | undefined;
  readonly data?: Finding["data"] | undefined;
  /** Checks that, if they are not well either, are the reason. */
  readonly becauseOf?: readonly string[] | undefined;
}

/** `module` and `card` ask these; `network` sends something. */
export type Reach = "nothing" | "module" | "card" | "network";

export interface Check<C> {
  /** kebab-case. */
  readonly name: string;
  readonly section: DoctorSection;
  /** What it looks at, for docs/doctor.md. */
  readonly about: string;
  readonly reach: Reach;
  /** Where one of these fails, this one says nothing. They stand before it in the table. */
  readonly needs?: readonly string[];
  /** Runs without the daemon too. */
  readonly isLocal?: boolean;
  /** Runs when all others have said what they have to say. */
  readonly isLast?: boolean;
  readonly run: (context: C, signal: AbortSignal) => Said | Promise<Said>;
}

export interface RunOptions {
  readonly clock: Clock;
  /** Of each check. */
  readonly limitMs: number;
  /** Of all together: who comes late has less time. */
  readonly budgetMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onFinding?: ((finding: Finding) => void) | undefined;
}

export const pass = (cause?: string, data?: Said["data"]): Said => ({ level: "pass", cause, data });
export const skip = (cause: string): Said => ({ level: "skip", cause });
export const warn = (cause: string, mend: string, more: Pick<Said, "data" | "becauseOf"> = {}): Said => ({
  level: "warn",
  cause,
  mend,
  ...more,
});
export const fail = (cause: string, mend: string, more: Pick<Said, "data" | "becauseOf"> = {}): Said => ({
  level: "fail",
  cause,
  mend,
  ...more,
});

const leastMs = 100;

/** In the order of the table. Rejects only when aborted. */
export async function runChecks<C>(checks: readonly Check<C>[], context: C, options: RunOptions): Promise<readonly Finding[]> {
  const { clock, limitMs, budgetMs = Number.POSITIVE_INFINITY, signal, onFinding } = options;
  const endMs = clock.monotonicMs() + budgetMs;
  const names = new Set(checks.map(({ name }) => name));
  const running = new Map<string, Promise<Ran>>();
  const runOne = async (check: Check<C>): Promise<Ran> => {
    if (check.isLast === true) await Promise.all(others);
    const ground = await Promise.all((check.needs ?? []).filter((name) => names.has(name)).map((name) => running.get(name)));
    const startMs = clock.monotonicMs();
    const broken = ground.find((one) => one?.broken !== undefined)?.broken;
    const said =
      broken === undefined
        ? await askOne(check, context, { clock, limitMs, leftMs: Math.max(leastMs, endMs - startMs), signal })
        : skip(`needs ${broken}, which failed`);
    const finding = findingOf(check, said, Math.round(clock.monotonicMs() - startMs));
    onFinding?.(finding);
    return { finding, becauseOf: said.becauseOf ?? [], broken: said.level === "fail" || said === outOfTime ? check.name : broken };
  };
  for (const check of checks) if (check.isLast !== true) running.set(check.name, runOne(check));
  const others = [...running.values()];
  for (const check of checks) if (check.isLast === true) running.set(check.name, runOne(check));
  const all = (await Promise.all(checks.map(({ name }) => running.get(name)))).filter((ran) => ran !== undefined);
  signal?.throwIfAborted();
  return all.map((one) => {
    const reason = all.find((other) => isReason(other, one));
    return reason === undefined ? one.finding : { ...one.finding, because: reason.finding.check };
  });
}

/** Of two that each could be the other's reason, it is the one that failed. */
function isReason({ finding, becauseOf }: Ran, of: Ran): boolean {
  if (finding.check === of.finding.check || !of.becauseOf.includes(finding.check)) return false;
  return finding.level === "fail" || (finding.level === "warn" && !becauseOf.includes(of.finding.check));
}

interface Ran {
  readonly finding: Finding;
  readonly becauseOf: readonly string[];
  /** The check at the bottom of why this one cannot be built upon. */
  readonly broken: string | undefined;
}

/** The time of all was over before its own was: that says nothing of the vehicle, but that something else was slow. */
const outOfTime: Said = warn("it could not be looked at: the time for all checks was over", "simward doctor");

async function askOne<C>(
  check: Check<C>,
  context: C,
  { clock, limitMs: own, leftMs, signal }: Omit<RunOptions, "onFinding" | "budgetMs"> & { readonly leftMs: number },
): Promise<Said> {
  const limitMs = Math.min(own, leftMs);
  const late = (): SimwardError => new SimwardError("DEADLINE", { detail: `${check.name}, ${(limitMs / 1_000).toFixed(1)} s` });
  const limit = deadline(clock, limitMs, late, signal);
  const ended = new Promise<never>((_resolve, reject) => {
    if (limit.signal.aborted) reject(limit.signal.reason);
    else limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
  });
  ended.catch(() => undefined);
  try {
    return await Promise.race([(async () => check.run(context, limit.signal))(), ended]);
  } catch (error) {
    if (limitMs < own && limit.signal.aborted && error === limit.signal.reason && signal?.aborted !== true) return outOfTime;
    const known = asSimwardError(error);
    if (known.code === "BUSY" || known.code === "QUEUE_FULL") return warn(`it could not be looked at: ${known.message}`, "simward doctor");
    if (isWithoutDescriptors(known))
      return fail(`it could not be looked at, since simwardd has no file descriptors left: ${known.message}`, descriptorsMend(), {
        becauseOf: groundsOf(known),
      });
    return fail(`it could not be looked at: ${known.message}`, cardMend(known.code) ?? known.next, { becauseOf: groundsOf(known) });
  } finally {
    limit.done();
  }
}

/** A disk that takes nothing, or a module whose card is off, is one cause, however many checks meet it. */
function groundsOf({ code }: SimwardError): readonly string[] {
  if (code.startsWith("DISK_")) return ["disk", "state-directory", "audit-trail"];
  return /^(AT_|APDU_|ES10_|CARD_|MODEM_|PORT_|DEADLINE$)/.test(code) ? ["module-answers", "sim", "card-class", "module-radio"] : [];
}

function findingOf<C>({ name, section }: Check<C>, { level, cause, mend, data }: Said, tookMs: number): Finding {
  return {
    check: name,
    section,
    level,
    ...(cause === undefined ? {} : { cause }),
    ...(mend === undefined ? {} : { mend }),
    ...(data === undefined ? {} : { data }),
    tookMs,
  };
}
