// The IoT Profile Assistant (SGP.32 IPAd): what the daemon starts, polls and asks. It owns the eUICC and the journal of what is under way.
// Made by createIpa(ports: IpaPorts): Ipa. Every procedure ends in a PollOutcome or a SimwardError; none of them ends the daemon.
import type { Clock } from "../base/clock.ts";
import type { SimwardError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { IpaEvents } from "./events.ts";
import type {
  ApduAccess,
  DeviceFacts,
  EsipaTransport,
  EuiccSession,
  Journal,
  PolicyGate,
  ProfileFacts,
  ProfileSwitch,
  TlsTrust,
} from "./ports.ts";

/** How one eIM deviates from SGP.32 v1.2 (reference C.6, E.7, H.4). */
export interface EsipaCompat {
  /** Wire form of what is sent; both are understood. */
  readonly esipaVersion: "1.2" | "1.0";
  /** Remove a delivered package result without waiting for its acknowledgement, for eIMs that never send one. */
  readonly removeOwnResult: boolean;
  /** Honour acknowledgements in the answer to an IpaEuiccDataResponse. */
  readonly ackOnDataResponse: boolean;
  /** X-Admin-Protocol of the HTTPS binding. */
  readonly adminProtocol: string;
}

/** What the configuration adds to an eIM's EimConfigurationData: [[eim.peer]]. */
export interface EimPeer {
  readonly eimId: string;
  /** host or host:port, instead of eimFqdn. */
  readonly address?: string | undefined;
  /** The name its certificate carries, where that is not the host. */
  readonly serverName?: string | undefined;
  readonly scheme?: "coaps" | "https" | undefined;
  /** Used when the card holds no trustedPublicKeyDataTls; a psk replaces what the card holds. */
  readonly trust?: TlsTrust | undefined;
  readonly compat?: Partial<EsipaCompat> | undefined;
}

export interface IpaOptions {
  readonly peers: readonly EimPeer[];
  /** Tried first where an eIM offers both. coaps by default. */
  readonly preferScheme: "coaps" | "https";
  /** TERMINAL CAPABILITY: SGP.32 says 84, older cards know 83; `none` where the module must not be bothered. `both` by default. */
  readonly terminalCapability: "83" | "84" | "both" | "none";
  readonly maxPackagesPerPoll: number;
  readonly maxNotificationsPerRound: number;
  /** One ESipa exchange, all retransmissions included. */
  readonly esipaTimeoutMs: number;
  /** From the change of profile until it counts as offline. */
  readonly onlineTimeoutMs: number;
  /** From the change of profile: no report delivered by then means the way back. */
  readonly rollbackAfterMs: number;
  /** Between attempts to deliver a report over a new profile. */
  readonly reportRetryMs: number;
  /** A result that was delivered but not acknowledged is delivered again after this. */
  readonly resultRetryMs: number;
  /** REFRESH by the card (TRUE) or left to the module's driver (SGP.32 §5.9.16 …). */
  readonly refreshFlag: boolean;
  /** One ES10b.ImmediateEnable attempt after each installation. */
  readonly immediateEnable: boolean;
  /** A profile policy rule that wants the end user's consent: there is no end user. */
  readonly pprConsent: "allow" | "deny";
}

export const defaultIpaOptions: IpaOptions = {
  peers: [],
  preferScheme: "coaps",
  terminalCapability: "both",
  maxPackagesPerPoll: 16,
  maxNotificationsPerRound: 64,
  esipaTimeoutMs: 300_000,
  onlineTimeoutMs: 180_000,
  rollbackAfterMs: 300_000,
  reportRetryMs: 10_000,
  resultRetryMs: 6 * 3_600_000,
  refreshFlag: true,
  immediateEnable: false,
  pprConsent: "deny",
};

export const defaultCompat: EsipaCompat = {
  esipaVersion: "1.2",
  removeOwnResult: false,
  ackOnDataResponse: true,
  adminProtocol: "gsma/rsp/v2.1.0",
};

export interface IpaPorts {
  readonly card: ApduAccess;
  /** At most one of each scheme. */
  readonly transports: readonly EsipaTransport[];
  readonly clock: Clock;
  readonly random: Random;
  readonly events: IpaEvents;
  readonly gate: PolicyGate;
  readonly journal: Journal;
  readonly connectivity: ProfileSwitch;
  readonly device: () => DeviceFacts;
  /** Defaults where left out. */
  readonly options?: Partial<IpaOptions> | undefined;
}

/** What came of asking one eIM. */
export interface EimOutcome {
  readonly eimId: string;
  readonly packages: number;
  readonly error: SimwardError | undefined;
}

export interface PollOutcome {
  /** nothing: no eIM had a package. done: packages were dealt with. refused: policy forbade asking. failed: see `error`. */
  readonly kind: "nothing" | "done" | "refused" | "failed";
  readonly packages: number;
  readonly eims: readonly EimOutcome[];
  /** The first of the errors; its retry class says when to try again. */
  readonly error: SimwardError | undefined;
  /** Wall clock, ms: when policy refused, ask again then. */
  readonly retryAt: number | undefined;
  /** A result or an operation waits for another attempt. */
  readonly unfinished: boolean;
}

export interface DeliveryOutcome {
  readonly delivered: number;
  readonly remaining: number;
  readonly error: SimwardError | undefined;
}

export interface EimStatus {
  readonly eimId: string;
  readonly scheme: "coaps" | "https" | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** Why it cannot be used. */
  readonly error: SimwardError | undefined;
  /** Wall clock of the last answer. */
  readonly lastContactMs: number | undefined;
}

export interface IpaStatus {
  readonly started: boolean;
  readonly eid: string | undefined;
  readonly eims: readonly EimStatus[];
  /** As read last; undefined when not read yet or when none is enabled. */
  readonly enabledIccid: string | undefined;
  readonly profiles: readonly ProfileFacts[];
  readonly operation: { readonly kind: "euiccPackage" | "profileDownload"; readonly phase: string; readonly eimId: string } | undefined;
  readonly pendingNotifications: number;
  readonly pendingResults: number;
}

export interface Ipa {
  /** The card's one owner; other parts of the daemon (profile list, doctor) borrow it. */
  readonly euicc: EuiccSession;
  /** SGP.32 start-up: card, EID, eIMs, what is pending; goes on with what a restart interrupted. Throws SimwardError; may be called again. */
  start(signal?: AbortSignal): Promise<IpaStatus>;
  /** Asks one eIM, or each, for packages and carries them out until none is left. Starts first if that has not been done. Never rejects. */
  pollOnce(eimId?: string, signal?: AbortSignal): Promise<PollOutcome>;
  /** One round of notification delivery; back-off between rounds is the caller's. Never rejects. */
  deliverNotifications(signal?: AbortSignal): Promise<DeliveryOutcome>;
  status(): IpaStatus;
  /** Ends what runs; what was under way stays in the journal. */
  close(): Promise<void>;
}
