// The IoT Profile Assistant (SGP.32 IPAd): what the daemon starts, polls and asks. It owns the eUICC and the journal of what is under way.
// Made by createIpa(ports: IpaPorts): Ipa. Every procedure ends in a PollOutcome or a SimwardError; none of them ends the daemon.
import type { Clock } from "../base/clock.ts";
import type { SimwardError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { IpaEvents } from "./events.ts";
import type { IpaOptions } from "./options.ts";
import type { ApduAccess, DeviceFacts, EsipaTransport, EuiccSession, Journal, PolicyGate, ProfileFacts, ProfileSwitch } from "./ports.ts";

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
