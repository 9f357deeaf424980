// Commands that concern the module itself: attention, echo, errors, identity, function, clock.
// V.250 and 3GPP TS 27.007; paragraph beside each.
import { action, int, optional, query, queryWith, quotedText, set } from "../declare.ts";

/** V.250 §5.2.4: attention. */
export const at = action("AT", "AT", { timeoutMs: 3_000 });

/** V.250 §6.2.4. Not kept over a reset of the module. */
export const echoOff = action("E", "ATE0", { timeoutMs: 3_000 });

/** V.250 §6.2.9: a drop of DTR must not end a data call made on another port. */
export const ignoreDtr = action("&D", "AT&D0", { timeoutMs: 3_000 });

/** 3GPP TS 27.007 §9.1: 0 plain ERROR, 1 numbers, 2 words. */
export const readCmee = query("+CMEE", "AT+CMEE?", "+CMEE:", [int("mode")], { timeoutMs: 3_000 });
export const setCmee = set("+CMEE", (mode: 0 | 1 | 2) => `AT+CMEE=${mode}`, { timeoutMs: 3_000 });

/** 3GPP TS 27.007 §5.1 to §5.3. Most modules answer with the bare text, some with a prefix. */
export const cgmi = bareText("+CGMI");
export const cgmm = bareText("+CGMM");
export const cgmr = bareText("+CGMR");

/** 3GPP TS 27.007 §5.4: 15 digits; a line that is anything else is a URC in its place. */
export const cgsn = digits("+CGSN", "AT+CGSN", /^(\d{15})$/);
/** The same asked for by name (<snt> 1), which modules that answer +CGSN with a serial number know. */
export const cgsnImei = digits("+CGSN", "AT+CGSN=1", /^(\d{15})$/);

/** 3GPP TS 27.007 §8.2. */
export const readCfun = query("+CFUN", "AT+CFUN?", "+CFUN:", [int("level")], { timeoutMs: 10_000 });
/** Radio off may wait for the network's answer to the detach. */
export const setCfun = set("+CFUN", (level: number) => `AT+CFUN=${level}`, { timeoutMs: 30_000 });
/** 3GPP TS 27.007 §8.2, <rst> 1: resets the module first. */
export const resetByCfun = action("+CFUN", "AT+CFUN=1,1", { timeoutMs: 15_000 });

/** 3GPP TS 27.007 §8.15. */
export const readCclk = query("+CCLK", "AT+CCLK?", "+CCLK:", [quotedText("time")]);

/** 3GPP TS 27.007 §8.40: the module's clock follows the network. */
export const readCtzu = query("+CTZU", "AT+CTZU?", "+CTZU:", [int("mode")]);
export const setCtzu = set("+CTZU", (mode: number) => `AT+CTZU=${mode}`);

/** SIMCom's own switch of the same. */
export const readClts = query("+CLTS", "AT+CLTS?", "+CLTS:", [int("mode")]);

/** Quectel: the network's time carried on to now, as universal time with the zone behind it; empty before there was any. */
export const qlts = queryWith("+QLTS", "AT+QLTS=1", "+QLTS:", (info) => info.replaceAll('"', "").trim());

/** 3GPP TS 27.007 §8.41: 1 reports +CTZV, 2 +CTZE with the local time, 3 +CTZEU with universal time. */
export const readCtzr = query("+CTZR", "AT+CTZR?", "+CTZR:", [int("mode"), optional(int("extra"))]);
export const setCtzr = set("+CTZR", (mode: number) => `AT+CTZR=${mode}`);

/** A command that answers with one line of free text. */
function bareText(name: string) {
  const read = (info: string): string | undefined => info.replace(/^"(.*)"$/, "$1").trim() || undefined;
  return queryWith(name, `AT${name}`, `${name}:`, read, { prefixOptional: true });
}

/** A command that answers with digits, which its pattern tells from whatever else may arrive in their place. */
export function digits(name: string, line: string, pattern: RegExp, prefix = `${name}:`) {
  const read = (info: string): string | undefined => pattern.exec(info.replaceAll('"', "").trim())?.[1];
  return queryWith(name, line, prefix, read, { prefixOptional: true });
}
