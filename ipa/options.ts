// What may be set about the IPA, and the defaults: times, limits, and how single eIMs deviate from SGP.32 v1.2.
// The only place where these figures are.
import type { BindingName } from "./esipa/bindings.ts";
import type { TerminalCapability } from "./euicc/session.ts";
import type { DeviceCapabilities } from "./messages/common.ts";
import type { TlsTrust } from "./ports.ts";

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
  /** It understands compact forms, so it gets them where `eimFeatures` has minimizeEsipaBytes: nothing on the wire says so beforehand. */
  readonly minimizeEsipaBytes: boolean;
}

/** What the configuration adds to an eIM's EimConfigurationData: [[eim.peer]]. */
export interface EimPeer {
  readonly eimId: string;
  /** host or host:port, instead of eimFqdn. */
  readonly address?: string | undefined;
  /** The name its certificate carries, where that is not the host. */
  readonly serverName?: string | undefined;
  /** This one and no other; chosen among what the eIM offers when absent. */
  readonly binding?: BindingName | undefined;
  /** Used when the card holds no trustedPublicKeyDataTls; a psk replaces what the card holds. */
  readonly trust?: TlsTrust | undefined;
  readonly compat?: Partial<EsipaCompat> | undefined;
  /** When every eIM is asked, this one only if so much time has gone by; asked for by name, or with something to tell, always. */
  readonly pollIntervalMs?: number | undefined;
}

/**
 * eimDownloadDataHandling: it finds the SM-DP+ by its order. eimCtxParams1Generation: it writes ctxParams1. eimProfileMetadataVerification: it judges policy
 * rules. minimizeEsipaBytes: either side leaves out what the other knows.
 */
export const eimFeatures = [
  "eimDownloadDataHandling",
  "eimCtxParams1Generation",
  "eimProfileMetadataVerification",
  "minimizeEsipaBytes",
] as const;
export type EimFeature = (typeof eimFeatures)[number];

export interface IpaOptions {
  readonly peers: readonly EimPeer[];
  /** Tried first where an eIM offers several. coaps by default. */
  readonly preferBinding: BindingName;
  /** What worked is tried first for so long; then what is preferred has its chance again. */
  readonly bindingMemoryMs: number;
  /** TERMINAL CAPABILITY: SGP.32 says 84, older cards know 83; `none` where the module must not be bothered. `both` by default. */
  readonly terminalCapability: TerminalCapability;
  readonly maxPackagesPerPoll: number;
  /** Over what eIMs may inject; announced to them (SGP.32 §2.11.2.2). None by default. */
  readonly injection: readonly ("coaps" | "https")[];
  /** How long a peer that injects waits before it hears eimPackageReceived, or that there is no time for it now. */
  readonly injectionAnswerMs: number;
  readonly maxNotificationsPerRound: number;
  /** One ESipa exchange, all retransmissions included. */
  readonly esipaTimeoutMs: number;
  /** From the change of profile until it counts as offline. */
  readonly onlineTimeoutMs: number;
  /** From being online over the new profile: no report delivered by then means the way back. */
  readonly rollbackAfterMs: number;
  /** Between attempts to deliver a report over a new profile. */
  readonly reportRetryMs: number;
  /** A result that was delivered but not acknowledged is delivered again after this. */
  readonly resultRetryMs: number;
  /** REFRESH by the card (TRUE) or left to the module's driver (SGP.32 §5.9.16 …). */
  readonly refreshFlag: boolean;
  /** Speak to RSP servers without the eIM where `rsp` is there and the eIM has not said that it relays. */
  readonly directDownload: boolean;
  /** What is left to the eIM in indirect downloads, and announced to it (SGP.32 §2.11.2.2). */
  readonly eimFeatures: readonly EimFeature[];
  /** One ES10b.ImmediateEnable attempt after each installation. */
  readonly immediateEnable: boolean;
  /** A profile policy rule that wants the end user's consent: there is no end user. */
  readonly pprConsent: "allow" | "deny";
  /** The highest releases the module supports, for RSP servers (SGP.22 §4.2). */
  readonly deviceCapabilities: DeviceCapabilities;
}

export const defaultIpaOptions: IpaOptions = {
  peers: [],
  preferBinding: "coaps",
  bindingMemoryMs: 24 * 3_600_000,
  terminalCapability: "both",
  maxPackagesPerPoll: 16,
  injection: [],
  injectionAnswerMs: 25_000,
  maxNotificationsPerRound: 64,
  esipaTimeoutMs: 300_000,
  onlineTimeoutMs: 180_000,
  rollbackAfterMs: 300_000,
  reportRetryMs: 10_000,
  resultRetryMs: 6 * 3_600_000,
  refreshFlag: true,
  directDownload: true,
  eimFeatures: [],
  immediateEnable: false,
  pprConsent: "deny",
  deviceCapabilities: {},
};

export const defaultCompat: EsipaCompat = {
  esipaVersion: "1.2",
  removeOwnResult: false,
  ackOnDataResponse: true,
  adminProtocol: "gsma/rsp/v2.1.0",
  minimizeEsipaBytes: false,
};
