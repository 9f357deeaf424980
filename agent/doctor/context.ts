// What the checks of a running daemon may ask: its services, the module, the card, ways to the eIMs. Each answer is fetched once a run.
import type { Modem } from "../../at-drivers/modem.ts";
import type { SimwardError } from "../../base/errors.ts";
import type { EimAccess } from "../../ipa/esipa/endpoint.ts";
import type { Es10 } from "../../ipa/euicc/es10.ts";
import type { IpaStatus } from "../../ipa/ipa.ts";
import type { Resolve } from "../../transports/resolve.ts";
import type { DoctorMode, EimBindingTest, Finding } from "../api/doctor-types.ts";
import type { NetReport, ProbeReport } from "../api/net-types.ts";
import type { TunnelReport } from "../api/tunnel-types.ts";
import type { ImeiLockReport, LifecycleReport, MarketReport, PolicyReport, RoamingReport, Status } from "../api/types.ts";
import type { AuditQuery, AuditRecord } from "../audit/types.ts";
import type { Config } from "../config/schema.ts";
import type { LockFacts } from "../policy/types.ts";
import type { LocalContext } from "./local/context.ts";
import type { Restart } from "./restarts.ts";

/** An eIM as the card has it, and how it would be reached. */
export interface EimView {
  readonly eimId: string;
  readonly access: Pick<EimAccess, "endpoint" | "bindings"> | undefined;
  readonly error: SimwardError | undefined;
}

export interface DoctorContext extends LocalContext {
  readonly mode: DoctorMode;
  /** What was found so far. */
  readonly findings: readonly Finding[];
  readonly running: Config;
  readonly modem: Pick<Modem, "status" | "address" | "simState" | "functionLevel" | "toolkit" | "radio">;
  /** +CFUN, asked once a run. */
  readonly functionLevel: () => Promise<number>;
  readonly ipa: () => IpaStatus;
  readonly status: () => Promise<Status>;
  readonly net: () => Promise<NetReport>;
  readonly probe: () => Promise<ProbeReport>;
  /** Asks module and card. */
  readonly imeiLock: () => Promise<ImeiLockReport>;
  /** As judged last. */
  readonly lockFacts: () => LockFacts;
  readonly lifecycle: () => Promise<LifecycleReport>;
  readonly roaming: () => RoamingReport;
  readonly policy: () => PolicyReport;
  /** Of the country where the vehicle is. */
  readonly market: () => MarketReport;
  /** Of the audit trail, the oldest first. */
  readonly records: (query: AuditQuery) => Promise<readonly AuditRecord[]>;
  /** Restarts of the module by itself, within the last hour and since the daemon's start. */
  readonly restarts: () => readonly Restart[];
  /** Throws BUSY while something else is at work with the card. */
  readonly askCard: <T>(why: string, use: (es10: Es10) => Promise<T>) => Promise<T>;
  readonly eims: () => Promise<readonly EimView[]>;
  readonly resolve: Resolve;
  /** Where the system's name servers are named; /etc/resolv.conf by default. */
  readonly resolvConf?: string;
  readonly handshakes: (
    scheme: "coaps" | "https",
    signal: AbortSignal,
  ) => Promise<readonly (EimBindingTest & { readonly eimId: string; readonly validUntilMs: number | undefined })[]>;
  /** A secret by the name of its systemd credential. Throws CONFIG_READ. */
  readonly credential: (name: string) => Promise<string>;
  /** GSMA CI certificates of `rsp.ci_dir`, DER. */
  readonly ciCertificates: readonly Uint8Array[];
  /** Asks simward-netd; undefined where it has nothing to do. */
  readonly askNetd: ((verb: string, args: Readonly<Record<string, unknown>>) => Promise<unknown>) | undefined;
  readonly tunnel: () => TunnelReport;
}
