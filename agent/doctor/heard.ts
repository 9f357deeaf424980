// What speaks on a port where no module answers AT, by the octets that came: a GNSS receiver, PPP, another rate, a module that refuses everything. Pure.

/** Cause in words, and what to do. */
export interface Heard {
  readonly words: string;
  readonly mend: string;
}

const elsewhere = "simward modem list --ask; then set modem.address to the module's AT port";

/** Undefined where nothing came, or what came tells nothing. */
export function heardOn(octets: Uint8Array): Heard | undefined {
  const text = Buffer.from(octets).toString("latin1");
  if (/\$(G[PNLABQ]|BD)[A-Z]{3},/.test(text))
    return { words: "a GNSS receiver speaks there (NMEA): it is the module's port for positions", mend: elsewhere };
  // RFC 1662: flag, then all stations and an unnumbered frame, both plain and escaped.
  if (text.includes("~\xff\x03") || text.includes("~\xff}#"))
    return {
      words: "PPP is spoken there: a data call holds the port, or pppd has it",
      mend: "fuser -v /dev/ttyUSB*; stop what dials there, or set modem.address to another port: simward modem list",
    };
  const odd = [...octets].filter((octet) => octet > 0x7e || (octet < 0x20 && ![0x0a, 0x0d, 0x09].includes(octet))).length;
  if (octets.length >= 8 && odd * 8 >= octets.length)
    return {
      words: `what comes there is no text (${octets.length} octets, ${odd} of them no characters): another line rate, or a port for diagnosis`,
      mend: "set the rate in modem.address, such as serial:/dev/ttyS1?baud=115200, or another port: simward modem list --ask",
    };
  const lines = text.split(/[\r\n]+/).map((line) => line.trim());
  if (lines.filter((line) => line === "ERROR").length >= 3 && !lines.includes("OK"))
    return {
      words: "it answers ERROR to everything",
      mend: "simward modem list --ask: another of its ports may be the one for AT; else switch the module's power off and on, or update its firmware",
    };
  return undefined;
}
