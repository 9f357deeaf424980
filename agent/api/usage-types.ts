// Answers of the local API about how much data has passed.

/** Of one profile, stage and party. */
export interface UsageAmount {
  /** Digits; empty where the profile is not known. */
  readonly iccid: string;
  readonly stage: string;
  /** The fleet's own traffic, or simward's. Where nothing can tell them apart all of it is the fleet's. */
  readonly party: "fleet" | "management";
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** The day is known; false: it is as the clock of then believed. */
  readonly certain: boolean;
}

/** A line of GET /v1/usage/export. */
export interface UsageRowReport extends UsageAmount {
  readonly schema: "simward/usage-row/1";
  /** RFC 3339 full-date, UTC. */
  readonly date: string;
}

export interface CapReport {
  /** "all", "stage operational", "iccid 8949", "stage operational iccid 8949" */
  readonly cap: string;
  readonly state: "ok" | "warn" | "throttle" | "block";
  /** The highest warn step reached; 100: the cap is. */
  readonly stepPercent: number;
  /** Of the fleet. */
  readonly usedBytes: number;
  /** Of the cap, what the fleet may use. */
  readonly limitBytes: number;
  readonly capBytes: number;
  /** When it is used up. */
  readonly action: "warn" | "throttle" | "block";
  /** It is another limit than the configured one, by order, until the period's end. */
  readonly ordered: boolean;
  /** At the period's end, if it goes on like in the last days. */
  readonly forecastBytes?: number;
  /** RFC 3339 full-date: the limit will be reached then, within the period. */
  readonly reachedOn?: string;
  /** RFC 3339: it flows freely again from then on. */
  readonly retryAt?: string;
}

export interface UsageReport {
  readonly schema: "simward/usage/1";
  /** RFC 3339 full-date, UTC. */
  readonly today: string;
  /** The clock is believed. */
  readonly certain: boolean;
  /** firewall: by party. interface, or the module's own counters: all is the fleet's. none: nothing counts. */
  readonly counted: "firewall" | "interface" | "module" | "none";
  readonly iccid: string;
  readonly stage: string;
  /** First and last day, both included. */
  readonly period: {
    readonly kind: "day" | "week" | "month" | "rolling";
    readonly from: string;
    readonly to: string;
    /** "this month (resets 2026-07-01)" */
    readonly words: string;
  };
  /** In the period, both ways, of all profiles and stages. */
  readonly fleetBytes: number;
  readonly managementBytes: number;
  /** Kept back for management; absent where nothing is. */
  readonly reserveBytes?: number;
  /** Those that hold for this profile and stage. */
  readonly caps: readonly CapReport[];
  /** In the period. */
  readonly amounts: readonly UsageAmount[];
}

/** Of the status. */
export interface UsageSummary {
  readonly usedBytes: number;
  /** Of the cap that is nearest to its end; absent where none holds. */
  readonly limitBytes?: number;
  readonly state: "ok" | "warn" | "throttle" | "block";
  /** "this month (resets 2026-07-01)" */
  readonly words: string;
}
