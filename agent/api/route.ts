// What a route is, and what it may call: the contract between the API and the agent behind it.
import type { GenericSchema } from "valibot";
import type { Disposer } from "../../base/clock.ts";
import type { AuditQuery } from "../audit/types.ts";
import type { BugreportActs } from "../bugreport/gather.ts";
import type { CardActs } from "../card-acts.ts";
import type { NetActs } from "../connectivity/net-acts.ts";
import type { DoctorActs } from "../doctor/service.ts";
import type { DryRunActs } from "../dry-run.ts";
import type { LifecycleActs } from "../lifecycle/acts.ts";
import type { LocalActs } from "../local-acts.ts";
import type { LocalProfileActs } from "../local-profiles.ts";
import type { ModuleActs } from "../module/acts.ts";
import type { PolicyActs } from "../policy/report.ts";
import type { Samples } from "../samples/service.ts";
import type { TraceActs } from "../trace/acts.ts";
import type { TravelActs } from "../travel.ts";
import type { TrustActs } from "../trust.ts";
import type { UsageActs } from "../usage/service.ts";
import type { PeerCredentials } from "./peer.ts";
import type { TunnelReport } from "./tunnel-types.ts";
import type { ApiEvent, AuditKeyReport, AuditPage, AuditVerificationReport, PollResult, ProfileList, Role, Status } from "./types.ts";

/** What the routes call; the agent is this. */
export interface ApiServices extends LocalActs, DryRunActs {
  status(): Promise<Status>;
  readonly doctor: DoctorActs;
  readonly bugreport: BugreportActs;
  profiles(): Promise<ProfileList>;
  readonly local: LocalProfileActs;
  readonly card: CardActs;
  readonly module: ModuleActs;
  readonly net: NetActs;
  readonly trust: TrustActs;
  readonly travel: TravelActs;
  readonly lifecycle: LifecycleActs;
  readonly usage: UsageActs;
  /** The least role that sees any usage. */
  readonly usageAccess: Role;
  readonly samples: Pick<Samples, "leaving">;
  pollEim(eimId: string | undefined): Promise<PollResult>;
  auditRecords(query: AuditQuery): Promise<AuditPage>;
  verifyAudit(): Promise<AuditVerificationReport>;
  /** As they stand in the trail. */
  auditLines(query: AuditQuery): AsyncIterable<string>;
  auditKey(): AuditKeyReport;
  readonly policy: PolicyActs;
  tunnel(): TunnelReport;
  readonly trace: TraceActs;
  events(afterId: number | undefined, fn: (event: ApiEvent) => void): Disposer;
  /** Writes through the API are audited with who did it. */
  auditAdminAct(act: string, role: Role, peer: PeerCredentials | undefined, data: Readonly<Record<string, string | null>>): Promise<void>;
}

export interface RouteContext {
  readonly services: ApiServices;
  readonly role: Role;
  readonly peer: PeerCredentials | undefined;
}

export interface Route<I = unknown> {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  /** The least role that may. */
  readonly access: Role;
  readonly summary: string;
  /** Schema id of the answer; of each line where it is a stream. */
  readonly answer: string;
  /** Query, or body in JSON, of the example in docs/api.md. */
  readonly example?: string;
  /** Of the query (GET) or the body. */
  readonly input: GenericSchema<unknown, I>;
  /** One JSON document; a stream is served by `stream`. */
  readonly run?: (context: RouteContext, input: I) => Promise<unknown>;
  /** JSON lines for as long as the client listens, or until it fails: then an error document is the last line. */
  readonly stream?: (context: RouteContext, input: I, write: (line: object) => void, fail: (error: unknown) => void) => Disposer;
  /** JSON lines that come to an end; as fast as the client reads them. */
  readonly lines?: (context: RouteContext, input: I) => AsyncIterable<string>;
  /** What is no JSON document of ours. */
  readonly text?: { readonly contentType: string; readonly run: (context: RouteContext, input: I) => Promise<string> };
}

/** A route is typed by its own input; the table holds them all as one type. */
export function route<I>(definition: Route<I>): Route {
  return definition as unknown as Route;
}
