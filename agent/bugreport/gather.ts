// The bug report: what the daemon knows of itself, part by part, redacted. A part that fails is told as missing and keeps no other back. Keys, sessions and
// whatever else is in tls/ have no part; the card is not asked.
import type { Clock } from "../../base/clock.ts";
import { deadline } from "../../base/clock.ts";
import { errorReport, SimwardError } from "../../base/errors.ts";
import { maskValue } from "../../base/mask.ts";
import type { Random } from "../../base/random.ts";
import { redactText } from "../../base/redact.ts";
import type { Bugreport, BugreportFile } from "../api/bugreport-types.ts";
import type { ApiServices, RouteContext } from "../api/route.ts";
import { roles } from "../api/types.ts";
import { versionReport } from "../api/version-report.ts";
import type { Config } from "../config/schema.ts";
import { lineWithoutUsage, withoutUsage } from "../usage/blind.ts";

export interface BugreportActs {
  make(by: Pick<RouteContext, "role" | "peer">, reason: string | undefined): Promise<Bugreport>;
}

export interface BugreportOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly services: () => ApiServices;
}

const mostRecords = 1_000;
const mostLines = 3_000;
/** Of one file; what is oldest goes. */
const mostChars = 1_500_000;
const partMs = 15_000;

type Part = (services: ApiServices, by: Pick<RouteContext, "role" | "peer">) => unknown;

/** Documents, then lists of lines. */
const documents: Readonly<Record<string, Part>> = {
  status: (services) => services.status(),
  doctor: (services) => services.doctor.examine("fast"),
  policy: (services) => services.policy.explain(),
  net: (services) => services.net.netStatus(),
  sessions: (services) => services.net.sessions(50),
  usage: (services) => services.usage.usage(),
  tunnel: (services) => services.tunnel(),
  roaming: (services) => services.travel.roaming(),
  market: (services) => services.travel.market(undefined),
  // What a token would sign is of use to nobody here.
  lifecycle: async (services) => without(await services.lifecycle.lifecycle(), "challenge", "signs"),
  "imei-lock": async (services) => without(await services.trust.imeiLock(), "challenge", "signs"),
  keys: (services) => services.trust.keys(),
  emergency: (services) => services.emergency(),
  "audit-verification": (services) => services.verifyAudit(),
  "trace-status": (services) => services.trace.status(),
};

const lists: Readonly<Record<string, (...args: Parameters<Part>) => AsyncIterable<string> | Promise<readonly string[]>>> = {
  audit: async (services) => (await services.auditRecords({ last: mostRecords })).records.map((record) => JSON.stringify(masked(record))),
  events: async (services) => {
    const lines: string[] = [];
    services.events(0, (event) => lines.push(JSON.stringify(masked(event))))();
    return lines;
  },
  log: (services) => services.trace.storedLog(mostLines),
  trace: (services, by) => services.trace.stored(by, { last: mostLines, decode: false, showIds: false, octets: false }),
};

const masked = (value: unknown): unknown => maskValue(value);

function without<T extends object>(document: T, ...fields: readonly string[]): object {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !fields.includes(name)));
}

/** The newest, whole lines. */
function tail(text: string): string {
  return text.length <= mostChars ? text : text.slice(text.indexOf("\n", text.length - mostChars) + 1);
}

async function linesOf(lines: AsyncIterable<string> | Promise<readonly string[]>, isBlind: boolean): Promise<string> {
  const all = lines instanceof Promise ? await lines : lines;
  let text = "";
  for await (const line of all) {
    if (isBlind && lineWithoutUsage(line) === undefined) continue;
    text = `${text}${line}\n`;
    if (text.length > 2 * mostChars) text = tail(text);
  }
  return text;
}

export function createBugreport({ config, clock, random, services }: BugreportOptions): BugreportActs {
  const within = async <T>(name: string, work: Promise<T>): Promise<T> => {
    const limit = deadline(clock, partMs, () => new SimwardError("DEADLINE", { detail: `${name} of the bug report` }));
    const over = new Promise<never>((_, reject) =>
      limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true }),
    );
    return Promise.race([work, over]).finally(limit.done);
  };

  return {
    async make(by, reason) {
      const id = `bug-${Buffer.from(random.bytes(6))
        .toString("hex")
        .replace(/(.{4})(?=.)/g, "$1-")}`;
      const time = new Date(clock.now()).toISOString();
      const missing: Record<string, unknown> = {};
      const part = async (name: string, make: () => Promise<string>): Promise<readonly BugreportFile[]> => {
        try {
          return [{ name, text: redactText(tail(await within(name, make()))) }];
        } catch (error) {
          missing[name] = errorReport(error);
          return [];
        }
      };
      // Whom `[api] usage_access` shows no usage does not find it here either.
      const isBlind = roles.indexOf(by.role) < roles.indexOf(services().usageAccess);
      const json = (value: unknown): string => `${JSON.stringify(masked(isBlind ? withoutUsage(value) : value), null, 2)}\n`;
      // Before the trail is read, so that the report holds the record of itself.
      await services().auditAdminAct("bugreport.made", by.role, by.peer, { id, reason: reason ?? null });
      const files = await Promise.all([
        part("versions.json", async () => json({ ...versionReport(), module: (await services().status()).network.module })),
        part("config.json", async () => json(config)),
        ...Object.entries(documents)
          .filter(([name]) => name !== "usage" || !isBlind)
          .map(([name, make]) => part(`${name}.json`, async () => json(await make(services(), by)))),
        ...Object.entries(lists).map(([name, make]) => part(`${name}.jsonl`, () => linesOf(make(services(), by), isBlind))),
      ]);
      const about = { name: "report.json", text: redactText(json({ id, time, reason, missing })) };
      return { schema: "simward/bugreport/1", id, time, files: [about, ...files.flat()] };
    },
  };
}
