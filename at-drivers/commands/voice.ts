// Voice calls, as far as simward must know of them: that there is one (3GPP TS 27.007 §7.18).
import { declare, splitFields } from "../declare.ts";
import type { AtCommand } from "../engine/types.ts";

/** One line of +CLCC; numbers as the standard numbers them. */
export interface CurrentCall {
  /** 0 active, 1 held, 2 dialling, 3 alerting, 4 incoming, 5 waiting. */
  readonly stat: number;
  /** 0 voice, 1 data, 2 fax, 9 unknown. */
  readonly mode: number;
}

/** <id>,<dir>,<stat>,<mode>,<mpty>[,…]. No line: there is no call. */
export const clcc: AtCommand<readonly [], readonly CurrentCall[]> = declare("+CLCC", "AT+CLCC", "+CLCC:", {}, ({ lines }) =>
  lines.flatMap((line) => {
    const [, , stat, mode] = splitFields(line).map((field) =>
      field !== undefined && /^\d+$/.test(field.text) ? Number(field.text) : undefined,
    );
    return stat === undefined || mode === undefined ? [] : [{ stat, mode }];
  }),
);

/** Data calls are none, and neither is what has ended but still stands in the list (6, of some modules). */
export function isVoiceCall({ stat, mode }: CurrentCall): boolean {
  return stat <= 5 && (mode === 0 || mode === 9);
}

/** Beginnings of unsolicited lines after which the list of calls is worth reading: V.250 §6.3, 3GPP TS 27.007 §6.11. */
export const callLines = ["RING", "+CRING:", "NO CARRIER", "+CLCC:"] as const;
