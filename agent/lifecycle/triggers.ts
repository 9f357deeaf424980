// What moves a vehicle from one stage of its life to the next: words of the configuration, and whether they hold. Pure.
import type { Role } from "../api/types.ts";

/** `text`: as configured, which names it in the audit trail. */
export type Trigger = { readonly text: string } & (
  | { readonly kind: "date"; readonly atMs: number }
  /** Of the fleet's traffic, in the stage. */
  | { readonly kind: "bytes"; readonly leastBytes: number }
  | { readonly kind: "abroad" }
  /** Switched on so many times in the stage. */
  | { readonly kind: "ignition"; readonly times: number }
  | { readonly kind: "odometer"; readonly leastKm: number }
  | { readonly kind: "command"; readonly role: Extract<Role, "engineer" | "admin"> }
  | { readonly kind: "token" }
);

/** What triggers look at; what is not known is absent, and then nothing that needs it holds. */
export interface Signals {
  readonly nowMs: number;
  readonly clockTrusted: boolean;
  readonly usedBytes?: number | undefined;
  /** ISO 3166-1 alpha-2, where the vehicle is taken to be. */
  readonly country?: string | undefined;
  readonly factoryCountry?: string | undefined;
  readonly ignitions: number;
  readonly odometerKm?: number | undefined;
}

export const triggerWords =
  "date:<RFC 3339>, bytes:<n>, abroad, ignition, ignition:<n>, odometer:<km>, command:engineer, command:admin, token";

/** Undefined where it is none. */
export function triggerOf(text: string): Trigger | undefined {
  const [kind, rest] = splitOnce(text);
  const number = rest !== undefined && /^[1-9]\d{0,14}$/.test(rest) ? Number(rest) : undefined;
  switch (kind) {
    case "date":
      return rest !== undefined && /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/.test(rest) && Number.isFinite(Date.parse(rest))
        ? { text, kind, atMs: Date.parse(rest) }
        : undefined;
    case "bytes":
      return number === undefined ? undefined : { text, kind, leastBytes: number };
    case "odometer":
      return number === undefined ? undefined : { text, kind, leastKm: number };
    case "ignition":
      if (rest === undefined) return { text, kind, times: 1 };
      return number === undefined ? undefined : { text, kind, times: number };
    case "command":
      return rest === "engineer" || rest === "admin" ? { text, kind, role: rest } : undefined;
    case "abroad":
    case "token":
      return rest === undefined ? { text, kind } : undefined;
    default:
      return undefined;
  }
}

function splitOnce(text: string): readonly [string, string | undefined] {
  const at = text.indexOf(":");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

export interface Held {
  readonly holds: boolean;
  /** Why, or what is missing. */
  readonly words: string;
}

/** Of commands and tokens: never by themselves. */
export function held(trigger: Trigger, signals: Signals): Held {
  const yes = (words: string): Held => ({ holds: true, words });
  const no = (words: string): Held => ({ holds: false, words });
  switch (trigger.kind) {
    case "date": {
      const date = new Date(trigger.atMs).toISOString();
      if (!signals.clockTrusted) return no(`waits for ${date}, and for a time that the network vouches for`);
      return signals.nowMs >= trigger.atMs ? yes(`${date} has come`) : no(`waits for ${date}`);
    }
    case "bytes": {
      const { usedBytes } = signals;
      if (usedBytes === undefined) return no(`${trigger.leastBytes} bytes, which nothing here can count`);
      const words = `${usedBytes} of ${trigger.leastBytes} bytes`;
      return usedBytes >= trigger.leastBytes ? yes(words) : no(words);
    }
    case "abroad": {
      const { country, factoryCountry } = signals;
      if (factoryCountry === undefined) return no("no factory_country is configured");
      if (country === undefined) return no("the country is not known yet");
      return country === factoryCountry ? no(`in the factory's country, ${country}`) : yes(`registered in ${country}`);
    }
    case "ignition": {
      const words = `ignition ${signals.ignitions} of ${trigger.times} times`;
      return signals.ignitions >= trigger.times ? yes(words) : no(words);
    }
    case "odometer": {
      const { odometerKm } = signals;
      if (odometerKm === undefined) return no(`${trigger.leastKm} km; no odometer has been told`);
      const words = `${odometerKm} of ${trigger.leastKm} km`;
      return odometerKm >= trigger.leastKm ? yes(words) : no(words);
    }
    case "command":
      return no(`at a command over ${trigger.role}.sock`);
    case "token":
      return no("by a token of the fleet");
  }
}

/** What held once goes on holding, in whatever stage: it must not fire again after somebody has overruled it. */
export function isLasting({ kind }: Trigger): boolean {
  return kind === "date" || kind === "odometer" || kind === "abroad";
}
