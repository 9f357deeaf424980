// Commands that tell what the module's toolkit (USAT, ETSI TS 102 223) does for the card. They only read: the module downloads TERMINAL PROFILE
// itself when it starts the card, and a host that switched its toolkit over would take from the card what it has.
import { fromHex } from "../../base/bytes.ts";
import { int, optional, query, queryWith, splitFields } from "../declare.ts";

/** Which profile AT+CUSATR reads: 2 what the module supports by itself, 3 what was sent to the card last. */
export type ProfileStorage = 2 | 3;

/** 3GPP TS 27.007 §12.2.1. The profile as TERMINAL PROFILE has it. */
export const readUsatProfile = queryWith(
  "+CUSATR",
  (storage: ProfileStorage) => `AT+CUSATR=${storage}`,
  "+CUSATR:",
  (info) => {
    const hex = splitFields(info)[1]?.text ?? "";
    return hex !== "" && hex.length % 2 === 0 && /^[0-9A-Fa-f]+$/.test(hex) ? fromHex(hex) : undefined;
  },
  { timeoutMs: 5_000 },
);

/** Quectel: 0 the module's toolkit is off; else who serves the card's menus. */
export const readQstk = query("+QSTK", "AT+QSTK?", "+QSTK:", [int("mode"), optional(int("format"))], { timeoutMs: 5_000 });

/** SIMCom: 0 the module's toolkit is off, 1 on. */
export const readStk = query("+STK", "AT+STK?", "+STK:", [int("mode")], { timeoutMs: 5_000 });
