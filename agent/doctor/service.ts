// doctor within the daemon: one examination at a time of each kind, whoever asks; the test of the ways to an eIM.
import { type Clock, deadline } from "../../base/clock.ts";
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import { decode } from "../../ipa/asn1/schema.ts";
import { childOf, childrenOf, rawOf, readOnlyTlv } from "../../ipa/asn1/tlv.ts";
import { type EsipaScheme, endpointOf } from "../../ipa/esipa/endpoint.ts";
import { collapsed } from "../../ipa/euicc/double-tag.ts";
import { getEimConfigurationData } from "../../ipa/euicc/es10.ts";
import type { Ipa } from "../../ipa/ipa.ts";
import { EimConfigurationData } from "../../ipa/messages/eim-config.ts";
import type { EimPeer } from "../../ipa/options.ts";
import { type Resolve, systemResolve } from "../../transports/resolve.ts";
import type { DoctorMode, DoctorProgress, DoctorReport, EimBindingTest, EimTestReport, Finding } from "../api/doctor-types.ts";
import type { Config } from "../config/schema.ts";
import { runChecks } from "./check.ts";
import type { DoctorContext, EimView } from "./context.ts";
import { factoryOf } from "./factory.ts";
import { createHandshake } from "./handshake.ts";
import { reportOf } from "./report.ts";
import { checks, factoryNames } from "./table.ts";

export interface DoctorActs {
  /** Joins an examination of that mode that is under way. */
  examine(mode: DoctorMode, onProgress?: (progress: DoctorProgress) => void): Promise<DoctorReport>;
  /** Name, handshake, pin; nothing is fetched. Throws EIM_UNKNOWN, EIM_NOT_CONFIGURED, BUSY. */
  testEim(order: { readonly eimId?: string | undefined; readonly binding?: string | undefined }): Promise<EimTestReport>;
}

export interface DoctorOptions
  extends Omit<
    DoctorContext,
    | "mode"
    | "findings"
    | "functionLevel"
    | "eims"
    | "handshakes"
    | "resolve"
    | "running"
    | "ipa"
    | "daemonProblem"
    | "readConfig"
    | "configPath"
  > {
  readonly clock: Clock;
  readonly config: Config;
  readonly ipa: () => ReturnType<Ipa["status"]>;
  /** The eIMs and how to know each, as the IPA has them. */
  readonly known: () => Ipa["injectors"];
  readonly peers: readonly EimPeer[];
  /** The system's by default. */
  readonly resolve?: Resolve | undefined;
  /** The file that `config` is from, read again. */
  readonly configFile?: { readonly path: string; readonly read: () => Promise<Config> } | undefined;
  readonly signal: AbortSignal;
}

/** Of each check, by how long a person waits for all of them: they run side by side, and few stand on one another. */
const limitsMs: Readonly<Record<DoctorMode, number>> = { fast: 2_500, full: 30_000, factory: 8_000 };
/** Of all checks together: what people and the production line are promised. */
const budgetsMs: Readonly<Record<DoctorMode, number>> = { fast: 2_800, full: 90_000, factory: 9_300 };
const handshakeMs: Readonly<Record<DoctorMode, number>> = { fast: 2_000, full: 15_000, factory: 5_000 };
const testMs = 20_000;

export function createDoctor(options: DoctorOptions): DoctorActs {
  const { clock, config, signal } = options;
  const resolve = options.resolve ?? systemResolve;
  const shake = (timeoutMs: number) =>
    createHandshake({
      ...{ clock, resolve, timeoutMs },
      retransmitInitialMs: config.eim.retransmit_initial_ms,
      mtuBytes: config.eim.mtu_bytes,
      cipherSuitesFor: (eimId) =>
        config.eim.peer.find(({ eim_id }) => eim_id === eimId)?.allow_ccm8 === true
          ? ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-CCM8"]
          : undefined,
    });
  const eims = (): Promise<readonly EimView[]> => eimViews(options);

  const contextOf = (mode: DoctorMode, findings: readonly Finding[]): DoctorContext => {
    const seen = once(eims);
    const handshake = shake(handshakeMs[mode]);
    return {
      ...options,
      ...{ mode, findings },
      running: config,
      daemonProblem: undefined,
      configPath: options.configFile?.path,
      readConfig: options.configFile?.read ?? (async () => config),
      functionLevel: once(() => options.modem.functionLevel(signal)),
      status: once(options.status),
      net: once(options.net),
      imeiLock: once(options.imeiLock),
      lifecycle: once(options.lifecycle),
      probe: once(options.probe),
      eims: seen,
      resolve,
      handshakes: async (scheme, inner) => {
        const bindings = (await seen()).flatMap(({ eimId, access }) => (access?.bindings ?? []).map((binding) => ({ eimId, binding })));
        // ASN.1 and JSON over HTTPS are one handshake.
        const first = bindings.filter(
          ({ eimId, binding }, at) =>
            binding.scheme === scheme && bindings.findIndex((other) => other.eimId === eimId && other.binding.scheme === scheme) === at,
        );
        return Promise.all(
          first.map(async ({ eimId, binding }) => {
            const { test, validUntilMs } = await handshake(binding, inner);
            return { eimId, ...test, validUntilMs };
          }),
        );
      },
    };
  };

  const examine = async (mode: DoctorMode, tell: (progress: DoctorProgress) => void): Promise<DoctorReport> => {
    const found: Finding[] = [];
    const context = contextOf(mode, found);
    const chosen = checks.filter(
      ({ name, reach }) =>
        (mode === "factory" || !factoryNames.includes(name)) && (mode !== "fast" || (reach !== "network" && reach !== "card")),
    );
    const startMs = clock.monotonicMs();
    const onFinding = (finding: Finding): void => {
      found.push(finding);
      tell({ schema: "simward/doctor-progress/1", done: found.length, of: chosen.length, finding });
    };
    const findings = await runChecks(chosen, context, { clock, limitMs: limitsMs[mode], budgetMs: budgetsMs[mode], signal, onFinding });
    const factory = mode === "factory" ? await factoryOf(findings, context) : undefined;
    return reportOf({ mode, daemon: "running", timeMs: clock.now(), tookMs: clock.monotonicMs() - startMs, findings, factory });
  };

  const under = new Map<
    DoctorMode,
    { readonly report: Promise<DoctorReport>; readonly listeners: Set<(progress: DoctorProgress) => void> }
  >();
  return {
    examine(mode, onProgress) {
      const now = under.get(mode);
      if (now !== undefined) {
        if (onProgress !== undefined) now.listeners.add(onProgress);
        return now.report;
      }
      const listeners = new Set(onProgress === undefined ? [] : [onProgress]);
      const report = examine(mode, (progress) => {
        for (const listener of listeners) listener(progress);
      }).finally(() => under.delete(mode));
      under.set(mode, { report, listeners });
      return report;
    },
    async testEim({ eimId, binding }) {
      const all = await eims();
      if (all.length === 0) throw new SimwardError("EIM_NOT_CONFIGURED");
      const wanted = all.filter((one) => eimId === undefined || one.eimId === eimId);
      if (wanted.length === 0)
        throw new SimwardError("EIM_UNKNOWN", { detail: `${eimId}; there are ${all.map((one) => one.eimId).join(", ")}` });
      const limit = deadline(clock, 3 * testMs, () => new SimwardError("DEADLINE", { detail: "eim test" }), signal);
      const handshake = shake(testMs);
      try {
        return {
          schema: "simward/eim-test/1",
          eims: await Promise.all(
            wanted.map(async (one) => {
              const bindings = (one.access?.bindings ?? []).filter(({ name }) => binding === undefined || name === binding);
              const problem =
                one.error ??
                (bindings.length === 0
                  ? new SimwardError("EIM_NO_PROTOCOL", {
                      detail: `${one.eimId} is reached by ${(one.access?.bindings ?? []).map(({ name }) => name).join(", ")}`,
                    })
                  : undefined);
              const tests: EimBindingTest[] = [];
              // One after the other: an eIM may take two handshakes at a time for an attack.
              for (const each of bindings) tests.push((await handshake(each, limit.signal)).test);
              return { eimId: one.eimId, ...(problem === undefined ? {} : { error: errorReport(problem) }), bindings: tests };
            }),
          ),
        };
      } finally {
        limit.done();
      }
    },
  };
}

/** As the card has them now; of a consumer eUICC, as simward keeps them. */
async function eimViews({
  ipa,
  known,
  peers,
  config,
  askCard,
}: Pick<DoctorOptions, "ipa" | "known" | "peers" | "config" | "askCard">): Promise<readonly EimView[]> {
  const { card, eims } = ipa();
  const schemes: readonly EsipaScheme[] = ["coaps", "https"];
  if (card?.kind !== "sgp32-ipad")
    return eims.map(({ eimId, error, host, port, scheme, binding }) => {
      const trust = known().find((one) => one.eimId === eimId)?.trust;
      if (host === undefined || port === undefined || scheme === undefined || binding === undefined || trust === undefined)
        return { eimId, access: undefined, error };
      const serverName = peers.find((one) => one.eimId === eimId)?.serverName ?? host;
      const bound = { name: binding, scheme, endpoint: { eimId, host, port, serverName, trust } };
      return { eimId, access: { endpoint: bound.endpoint, bindings: [bound] }, error };
    });
  const raw = await askCard("doctor: eIMs", async (es10) => (await es10.ask(getEimConfigurationData, {})).raw);
  const list = childOf(collapsed(readOnlyTlv(raw)), 0xa0);
  return (list === undefined ? [] : childrenOf(list)).map((tlv) => {
    const eim = decode(EimConfigurationData, rawOf(tlv), { name: "EimConfigurationData" });
    try {
      const peer = peers.find(({ eimId }) => eimId === eim.eimId);
      return {
        eimId: eim.eimId,
        access: endpointOf(eim, peer, { available: schemes, prefer: config.eim.prefer_binding }),
        error: undefined,
      };
    } catch (error) {
      return { eimId: eim.eimId, access: undefined, error: asSimwardError(error) };
    }
  });
}

function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => {
    asked ??= ask();
    return asked;
  };
}
