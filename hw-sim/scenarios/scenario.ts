// What a scenario is: where the vehicle stands, what its eUICC left the factory with, what waits at the SM-DP+, what goes wrong.
import type { FaultSetting } from "../faults.ts";
import type { WorldData } from "../network/data.ts";
import type { Route } from "../network/drive.ts";

/** A subscription, to be made into a profile package. */
export interface ProfilePlan {
  /** 19 digits with check digit, or without. */
  readonly iccid: string;
  readonly imsi: string;
  /** At most 16 characters. */
  readonly serviceProvider: string;
  readonly profileName: string;
  /** operational by default. */
  readonly profileClass?: "operational" | "provisioning";
  /** An eIM may make it the one to fall back to (SGP.32 §3.4.5). */
  readonly fallbackAllowed?: boolean;
  /** It is the emergency profile (SGP.32 §3.4.6). */
  readonly ecallIndication?: boolean;
}

export interface Offer extends ProfilePlan {
  /** The token of its activation code. */
  readonly matchingId: string;
  readonly confirmationCode?: string | undefined;
}

export interface Scenario {
  readonly name: string;
  /** For --help. */
  readonly text: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  readonly world?: WorldData | undefined;
  /** Installed and enabled at the factory. */
  readonly bootstrap: ProfilePlan;
  /** Installed at the factory too, disabled. */
  readonly installed?: readonly ProfilePlan[] | undefined;
  readonly offers: readonly Offer[];
  readonly faults: readonly FaultSetting[];
  /** The vehicle stands still without one. */
  readonly route?: Route | undefined;
}
