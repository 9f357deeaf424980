// +CME ERROR codes (3GPP TS 27.007 §9.2): numbers and the words that AT+CMEE=2 prints.

export const cme = {
  notAllowed: 3,
  notSupported: 4,
  simNotInserted: 10,
  simPin: 11,
  simPuk: 12,
  simFailure: 13,
  simBusy: 14,
  incorrectPassword: 16,
  invalidIndex: 21,
  notFound: 22,
  noNetworkService: 30,
  networkTimeout: 31,
  incorrectParameters: 50,
  unknown: 100,
  unknownApn: 127,
  unspecifiedSession: 148,
  lastPdn: 171,
} as const;

export const cmeTexts: Readonly<Record<number, string>> = {
  3: "operation not allowed",
  4: "operation not supported",
  10: "SIM not inserted",
  11: "SIM PIN required",
  12: "SIM PUK required",
  13: "SIM failure",
  14: "SIM busy",
  16: "incorrect password",
  20: "memory full",
  21: "invalid index",
  22: "not found",
  30: "no network service",
  31: "network timeout",
  50: "Incorrect parameters",
  100: "unknown",
  107: "PS services not allowed",
  111: "PLMN not allowed",
  112: "Location area not allowed",
  113: "Roaming not allowed in this location area",
  127: "Missing or unknown APN",
  133: "Requested service option not subscribed",
  148: "unspecified PDP error",
  171: "Last PDN disconnection not allowed",
};

/** How a command handler refuses; the port turns it into the final result code that AT+CMEE asks for. */
export class CmeError extends Error {
  readonly cme: number;

  constructor(code: number) {
    super(cmeTexts[code] ?? `+CME ERROR: ${code}`);
    this.name = "CmeError";
    this.cme = code;
  }
}
