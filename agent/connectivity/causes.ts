// What networks refuse with, in words (3GPP TS 24.301 §9.9.3.9 EMM, §9.9.4.4 ESM). The sentences are for a person beside the vehicle.

/** EMM causes; what can be done about it is not the vehicle's to know, except where it says so. */
const emm: Readonly<Record<number, string>> = {
  2: "the network does not know the subscription",
  3: "the network does not accept the subscription (illegal UE)",
  5: "the network does not accept this IMEI",
  6: "the network does not accept this module (illegal ME)",
  7: "the subscription has no packet service",
  8: "the subscription has neither packet nor voice service",
  9: "the network does not know the vehicle's identity any more",
  10: "the network has detached the vehicle",
  11: "this operator does not allow the subscription",
  12: "not allowed in this tracking area",
  13: "roaming is not allowed in this tracking area",
  14: "this operator allows the subscription no packet service",
  15: "no cell in this tracking area may be used",
  17: "the network has failed",
  19: "the network gives no data session",
  22: "the network is congested",
  25: "not authorised for this closed group of cells",
  35: "the requested service is not authorised in this network",
  40: "the network has forgotten the session",
  42: "the network has failed severely",
};

const esm: Readonly<Record<number, string>> = {
  8: "the operator has barred the subscription",
  26: "the network has no resources left",
  27: "the network says the APN does not exist",
  28: "the network does not know this type of session (IP, IPV6 or IPV4V6)",
  29: "the network refuses user or password of the APN",
  30: "the gateway refuses the session",
  31: "the network refuses without saying why",
  32: "the network does not support the service",
  33: "the subscription may not use this APN",
  34: "the service is out of order for the moment",
  36: "the session was ended in the ordinary way",
  38: "the network has failed",
  39: "the network wants the session to be set up anew",
  50: "only IPv4 is allowed",
  51: "only IPv6 is allowed",
  54: "the network knows no session to continue",
  55: "this APN is not allowed more than once",
};

/** As modules write them out, after the names of 3GPP TS 24.301 §9.9.4.4. */
const esmWords: readonly (readonly [RegExp, number])[] = [
  [/operator determined barring/i, 8],
  [/insufficient resources/i, 26],
  [/(missing|unknown).*\bapn\b|access point/i, 27],
  [/unknown pd[np] type/i, 28],
  [/user authentication/i, 29],
  [/not subscribed/i, 33],
];

/** Of a text that says no number that is surely an ESM cause. */
export function esmCauseOfText(text: string): number | undefined {
  return esmWords.find(([words]) => words.test(text))?.[1];
}

/** <err> of +CME ERROR that stand for an ESM cause (3GPP TS 27.007 §9.2.2). */
const esmOfCme: Readonly<Record<number, number>> = {
  125: 8,
  126: 26,
  127: 27,
  128: 28,
  129: 29,
  130: 30,
  131: 31,
  132: 32,
  133: 33,
  134: 34,
  149: 29,
  192: 50,
  193: 51,
};

/** EMM cause: the session that an attach brings along was refused. */
export const esmFailure = 19;

/** Another APN, type of session or credential may be taken; another operator would say the same. */
export function isApnsFault(esmCause: number): boolean {
  return [27, 28, 29, 33, 50, 51].includes(esmCause);
}

/** Reject cause of a registration. */
export function refusalText(rejectCause: number): string {
  const text = emm[rejectCause];
  return text === undefined ? `reject cause ${rejectCause}` : `reject cause ${rejectCause} (${text})`;
}

export function sessionCauseText(esmCause: number): string {
  return `${esm[esmCause] ?? "the network refuses the session"} (ESM cause ${esmCause})`;
}

/** undefined for an error that says nothing of the network. */
export function esmCauseOfCme(cme: number): number | undefined {
  return esmOfCme[cme];
}
