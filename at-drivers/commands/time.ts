// The network's time as modules report it: +CCLK and the URCs +CTZV, +CTZE and +CTZEU (3GPP TS 27.007 §8.15, §8.41).
import { splitFields } from "../declare.ts";

const quarterHourMs = 15 * 60_000;
const timePattern = /^(\d{2}|\d{4})\/(\d{1,2})\/(\d{1,2}),(\d{1,2}):(\d{2}):(\d{2})([+-]\d{1,2})?$/;

/** Before the network told them, modules count from 1970, 1980 or 2000; nothing of ours is older than this. */
const firstYear = 2020;

/**
 * `yy/MM/dd,hh:mm:ss±zz` with the zone in quarters of an hour, local time as the standard has it, to milliseconds since the epoch.
 * A zone inside the text wins over `zoneQuarters`. undefined when it is no date or one from before any network told it.
 */
export function parseLocalTime(text: string, zoneQuarters = 0): number | undefined {
  const found = timePattern.exec(text.trim());
  if (found === null) return undefined;
  const [, yearText = "", month, day, hour, minute, second, zoneText] = found;
  const year = yearText.length === 2 ? (Number(yearText) < 70 ? 2_000 : 1_900) + Number(yearText) : Number(yearText);
  const localMs = Date.UTC(year, Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const back = new Date(localMs);
  if (year < firstYear || back.getUTCMonth() + 1 !== Number(month) || back.getUTCDate() !== Number(day) || Number(hour) > 23)
    return undefined;
  return localMs - (zoneText === undefined ? zoneQuarters : Number(zoneText)) * quarterHourMs;
}

/** The same where the zone and what follows it are told for information only. */
export function parseUniversalTime(text: string): number | undefined {
  const found = /^[\d/]+,[\d:]+/.exec(text.trim());
  return found === null ? undefined : parseLocalTime(found[0]);
}

/** What a time URC says: universal time, or that the zone was learnt and +CCLK holds the time. undefined for a line that is none. */
export function parseTimeUrc(line: string): { readonly utcMs: number | undefined } | undefined {
  const found = /^\+(CTZV|CTZE|CTZEU) ?:(.*)$/.exec(line.trim());
  if (found === null) return undefined;
  const [, name, rest = ""] = found;
  const fields = splitFields(rest);
  const time = fields.find((field) => field !== undefined && /\d\/\d/.test(field.text));
  // Some modules print the whole of it without quotes: +CTZV: 26/06/01,10:00:00+08
  const text = time === undefined ? undefined : time.quoted ? time.text : rest.replaceAll('"', "").replace(/^.*?(\d+\/)/, "$1");
  if (text === undefined) return { utcMs: undefined };
  const zone = Number(fields[0]?.text);
  return { utcMs: parseLocalTime(text, name === "CTZEU" || Number.isNaN(zone) ? 0 : zone) };
}
