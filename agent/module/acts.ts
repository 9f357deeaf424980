// What a person asks of the module: who it is, a line typed to it, its APN, power saving, operator and forbidden list, and a restart. What the
// configuration decides is not changed behind its back.
import type { Modem } from "../../at-drivers/modem.ts";
import { isRegistered } from "../../at-drivers/registration.ts";
import type { Clock } from "../../base/clock.ts";
import { deadline } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { rehearsal } from "../../base/rehearsal.ts";
import type { AtAnswer, ForbiddenOperators, ModemChanged, ModemReport, ModemSurvey, PsmOrder } from "../api/modem-types.ts";
import type { Config } from "../config/schema.ts";
import { refusalText } from "../connectivity/causes.ts";
import type { Keeper } from "../connectivity/keeper.ts";
import type { EmergencyWatch } from "../emergency.ts";
import type { Asker } from "../local-profiles.ts";
import { judgeLine, refusedLine } from "./at-line.ts";
import type { LongActs } from "./long-act.ts";
import { surveyModule } from "./survey.ts";

export interface ModuleActs {
  /** As far as it can be read; never throws for a module that is away. */
  info(): Promise<ModemReport>;
  /** Throws MODEM_ABSENT. */
  survey(): Promise<ModemSurvey>;
  /** Throws AT_DENIED, AT_COMMAND, EMERGENCY_ACTIVE, AT_ERROR, AT_CME_ERROR, AT_TIMEOUT. */
  at(by: Asker, order: { readonly line: string; readonly reason: string; readonly timeoutSeconds?: number | undefined }): Promise<AtAnswer>;
  /** Throws POLICY_REFUSED where the configuration has APNs. */
  setApn(
    by: Asker,
    order: { readonly name: string; readonly type: "IP" | "IPV6" | "IPV4V6"; readonly cid?: number | undefined },
  ): Promise<ModemChanged>;
  /** Throws POLICY_REFUSED where [radio] has it, MODEM_UNABLE. */
  setPsm(by: Asker, order: PsmOrder): Promise<ModemChanged>;
  setEdrx(by: Asker, order: { readonly rat: "lte-m" | "nb-iot"; readonly cycleSeconds?: number | undefined }): Promise<ModemChanged>;
  /** Throws POLICY_REFUSED for an operator that [market] does not name, EMERGENCY_ACTIVE. */
  register(by: Asker, plmn: string | undefined): Promise<ModemChanged>;
  forbidden(): Promise<ForbiddenOperators>;
  clearForbidden(by: Asker, reason: string): Promise<ModemChanged>;
  /** Resolves when the module is ready again, and registered where it was, or that has not come in time. Joins a restart that is under way. */
  reset(by: Asker, reason: string): Promise<ModemChanged>;
}

export interface ModuleActsParts {
  readonly modem: Modem;
  readonly keeper: Pick<Keeper, "change">;
  readonly config: Pick<Config, "radio">;
  /** Whether the configuration says which APN is to be used. */
  readonly hasApns: () => boolean;
  readonly mayUse: (plmn: string) => boolean;
  readonly emergency: EmergencyWatch;
  readonly longActs: LongActs;
  readonly audit: (act: string, by: Asker, data: Readonly<Record<string, string | null>>) => Promise<void>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const registerLimitMs = 180_000;

export function createModuleActs(parts: ModuleActsParts): ModuleActs {
  const { modem, keeper, config, emergency, audit, clock, signal } = parts;
  const ready = (): void => {
    if (modem.status.link !== "ready") throw new SimwardError("MODEM_ABSENT", { detail: modem.status.reason ?? modem.address });
  };
  const mayDisturb = (): void => {
    if (emergency.sources.length > 0) throw new SimwardError("EMERGENCY_ACTIVE", { detail: emergency.sources.join(", ") });
    ready();
  };
  const registeredWithinMs = config.radio.registration_timeout_seconds * 1_000;
  const restarting = parts.longActs.act<"asked" | "restarting" | "off the air" | "back" | "registered", ModemChanged>({
    work: "modem reset",
    phases: ["asked", "restarting", "off the air", "back", "registered"],
    limitMs: () => modem.radio.limits.restartMs + registeredWithinMs,
  });
  /** Looks on: to register is the keeper's, which has its turn again. False: not in time. */
  const seenRegistered = async (): Promise<boolean> => {
    const over = new AbortController();
    const stops: (() => void)[] = [];
    const seen = new Promise<boolean>((done) => {
      const look = (): void => {
        if (isRegistered(modem.status.registration)) done(true);
      };
      stops.push(modem.onEvent(look));
      look();
    });
    const late = clock.sleep(registeredWithinMs, AbortSignal.any([over.signal, signal])).then(() => false);
    try {
      return await Promise.race([seen, late]);
    } finally {
      for (const stop of stops) stop();
      over.abort();
      await late.catch(() => undefined);
    }
  };
  const whyNot = (): string => {
    const { status, rejectCause } = modem.status.registration;
    return rejectCause === undefined ? status : `${status}, ${refusalText(rejectCause)}`;
  };
  const configured = (setting: string, instead = ""): never => {
    throw new SimwardError("POLICY_REFUSED", {
      detail: `${setting} of the configuration decides it`,
      next: `${instead}edit ${setting} in /etc/simward/simward.toml; simward config validate; systemctl restart simwardd`,
    });
  };
  const timed = async <T extends object>(what: ModemChanged["what"], act: () => Promise<T>): Promise<ModemChanged & T> => {
    const startMs = clock.monotonicMs();
    const done = await act();
    return { schema: "simward/modem-changed/1", what, changed: true, ...done, tookMs: Math.round(clock.monotonicMs() - startMs) };
  };
  const within = async <T>(limitMs: number, what: string, outer: AbortSignal, job: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const limit = deadline(clock, limitMs, () => new SimwardError("DEADLINE", { detail: what }), outer);
    return job(limit.signal).finally(limit.done);
  };

  const info = async (): Promise<ModemReport> => {
    const { link, port, reason, identity, family, imei, iccid, sim, ownLpa } = modem.status;
    const isReady = link === "ready";
    const functionLevel = isReady ? await modem.functionLevel(signal).catch(() => undefined) : undefined;
    const contexts = isReady ? await modem.contexts(signal).catch(() => []) : [];
    return {
      schema: "simward/modem/1",
      link,
      ...(port === undefined ? {} : { port }),
      ...(reason === undefined ? {} : { reason }),
      ...(identity === undefined ? {} : { manufacturer: identity.manufacturer, model: identity.model, revision: identity.revision }),
      ...(family === undefined ? {} : { family }),
      ...(imei === undefined ? {} : { imei }),
      ...(iccid === undefined ? {} : { iccid }),
      ...(sim === undefined ? {} : { sim }),
      ...(functionLevel === undefined ? {} : { functionLevel }),
      contexts: contexts.map(({ cid, type, apn }) => ({ cid, type, apn, attach: cid === modem.attachCid })),
      offered: modem.radio.modes,
      apduBytes: modem.apdu.maxCommandDataBytes,
      ...(ownLpa === undefined || ownLpa.on === false ? {} : { ownLpa: `${ownLpa.command} answers: ${ownLpa.remedy}` }),
    };
  };

  return {
    info,
    async survey() {
      ready();
      const exchanges = await surveyModule(modem, clock, signal);
      return { schema: "simward/modem-survey/1", modem: await info(), exchanges };
    },
    async at(by, { line, reason, timeoutSeconds = 10 }) {
      try {
        judgeLine(line, emergency.sources);
      } catch (error) {
        await audit("modem.atRefused", by, { line: refusedLine(line), reason });
        throw error;
      }
      ready();
      await audit("modem.at", by, { line, reason });
      const startMs = clock.monotonicMs();
      const { lines, finalResult } = await modem.raw(line.trim(), { timeoutMs: timeoutSeconds * 1_000, signal });
      return { schema: "simward/at/1", line, answer: lines, result: finalResult, tookMs: Math.round(clock.monotonicMs() - startMs) };
    },
    async setApn(by, { name, type, cid }) {
      if (parts.hasApns()) configured("[[apn]]", `simward net apn test ${name || "''"} tries it; to keep it `);
      mayDisturb();
      await audit("modem.apnAsked", by, { apn: name, type });
      return timed("apn", () => keeper.change((s) => modem.ensureContext({ cid: cid ?? modem.attachCid, type, apn: name }, undefined, s)));
    },
    async setPsm(by, { enabled, periodicTauSeconds, activeSeconds }) {
      if (config.radio.psm !== undefined) configured("radio.psm");
      mayDisturb();
      await audit("modem.psmAsked", by, { enabled: String(enabled) });
      const timers = enabled ? { periodicTauSeconds, activeSeconds } : undefined;
      return timed("psm", () => modem.radio.setPowerSaving(timers, signal));
    },
    async setEdrx(by, { rat, cycleSeconds }) {
      if (config.radio.edrx_seconds !== undefined) configured("radio.edrx_seconds");
      mayDisturb();
      await audit("modem.edrxAsked", by, { rat, cycleSeconds: cycleSeconds === undefined ? null : String(cycleSeconds) });
      return timed("edrx", () => modem.radio.setEdrx(rat, cycleSeconds, signal));
    },
    async register(by, plmn) {
      if (plmn !== undefined && !parts.mayUse(plmn))
        throw new SimwardError("POLICY_REFUSED", {
          detail: `[market] names the operators of that country, and ${plmn} is none of them`,
          next: "simward policy market show",
        });
      mayDisturb();
      await audit("net.registerAsked", by, { plmn: plmn ?? null });
      return timed("operator", () =>
        keeper.change((outer) =>
          within(registerLimitMs, `registration with ${plmn ?? "any operator"}`, outer, async (s) => {
            await modem.selectOperator(plmn, s);
            const at = await modem.awaitRegistered({ timeoutMs: registerLimitMs, signal: s });
            return at.plmn === undefined ? {} : { plmn: at.plmn };
          }),
        ),
      );
    },
    async forbidden() {
      ready();
      return { schema: "simward/fplmn/1", plmns: await modem.radio.forbiddenOperators(signal) };
    },
    async clearForbidden(by, reason) {
      mayDisturb();
      await audit("net.fplmnClearAsked", by, { reason });
      return timed("fplmn", () => keeper.change(async (s) => ({ changed: await modem.radio.clearForbiddenOperators(s) })));
    },
    async reset(by, reason) {
      if (parts.longActs.underWay?.work !== "modem reset") mayDisturb();
      await audit("modem.resetAsked", by, { reason });
      return restarting.ask(async (phase) => {
        mayDisturb();
        phase("asked");
        const wasRegistered = isRegistered(modem.status.registration);
        return timed("reset", async () => {
          await keeper.change(async (outer) => {
            phase("restarting");
            const stop = modem.onEvent(({ kind }) => {
              if (kind === "gone") phase("off the air");
            });
            await within(modem.radio.limits.restartMs, "restart of the module", outer, (s) => modem.reset(s)).finally(stop);
            phase("back");
          });
          if (!wasRegistered || rehearsal() !== undefined) return {};
          if (!(await seenRegistered())) return { registered: false, reason: whyNot() };
          phase("registered");
          const { plmn } = modem.status.registration;
          return { registered: true, ...(plmn === undefined ? {} : { plmn }) };
        });
      });
    },
  };
}
