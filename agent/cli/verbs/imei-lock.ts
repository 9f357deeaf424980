// simward imei-lock show, pair, unlock, repair: the pairing of device and card, and the two acts that a token of the fleet allows.
import { SimwardError } from "../../../base/errors.ts";
import type { ImeiLockReport } from "../../api/types.ts";
import { exitCodes } from "../exit.ts";
import { textOf } from "../given.ts";
import type { Output } from "../output.ts";
import { type CliContext, needReason, textOption, type Verb, type VerbInput } from "../verb.ts";

const tokenOptions = [{ flags: "--token <file>", help: "holds the signature in base64; - for standard input", default: "-" }];
/** Module and card are asked first, and may be at work. */
const timeoutSeconds = 120;

export const imeiLockShow: Verb = {
  name: "imei-lock show",
  summary: "the pairing of device and card, what is in the vehicle now, and the challenge for a token; exits with 12 where they differ",
  example: "simward imei-lock show --show-ids",
  timeoutSeconds,
  async run({ api, out }) {
    const lock = await api("viewer").call<ImeiLockReport>("GET", "/v1/imei-lock");
    show(lock, out);
    return lock.state === "mismatch" ? exitCodes.policy : undefined;
  },
};

export const imeiLockPair: Verb = {
  name: "imei-lock pair",
  summary: "pair device and card for the first time, in production; over the admin's socket",
  example: "simward imei-lock pair --vin WVWZZZ1JZXW000001 --reason 'end of line 4'",
  options: [{ flags: "--vin <vin>", help: "of the vehicle" }],
  timeoutSeconds,
  async run({ api, out }, input) {
    const vin = textOption(input, "vin");
    const body = { ...(vin === undefined ? {} : { vin }), reason: needReason(input) };
    const lock = await api("admin").call<ImeiLockReport>("POST", "/v1/imei-lock/pair", body);
    show(lock, out);
    return undefined;
  },
};

export const imeiLockUnlock: Verb = {
  name: "imei-lock unlock",
  summary: "let this device pass without pairing it, by a token of the fleet (docs/policy.md); over the admin's socket",
  example: "simward imei-lock unlock --token token.b64 --reason 'ticket 123'",
  options: tokenOptions,
  timeoutSeconds,
  run: (context, input) => obey(context, input, "/v1/imei-lock/unlock"),
};

export const imeiLockRepair: Verb = {
  name: "imei-lock repair",
  summary: "pair device and card anew, by a token of the fleet (docs/policy.md); over the admin's socket",
  example: "simward imei-lock repair --token token.b64 --reason 'module replaced, ticket 123'",
  options: tokenOptions,
  timeoutSeconds,
  run: (context, input) => obey(context, input, "/v1/imei-lock/repair"),
};

async function obey(context: CliContext, input: VerbInput, path: string): Promise<undefined> {
  const { api, out } = context;
  const why = textOption(input, "reason");
  const token = (await textOf(context, textOption(input, "token") ?? "-")).trim();
  if (token === "") throw new SimwardError("USAGE", { detail: "there is no token in what was given" });
  const body = { token, ...(why === undefined ? {} : { reason: why }) };
  const lock = await api("admin").call<ImeiLockReport>("POST", path, body);
  show(lock, out);
  return undefined;
}

/** What a token signs has the identifiers in it, in a form that no mask knows. */
function show({ signs, ...others }: ImeiLockReport, out: Output): void {
  const shown = out.showIds && signs !== undefined ? { ...others, signs } : others;
  out.result(shown, () => rendered(shown, out));
}

const colours = { unpaired: "yellow", match: "green", mismatch: "red", unlocked: "yellow" } as const;

function rendered({ state, differs, pairing, found, challenge, signs }: ImeiLockReport, out: Output): string {
  const identity = (one: { readonly imei: string; readonly eid?: string | undefined }): string =>
    `IMEI ${one.imei}  EID ${one.eid ?? "none"}`;
  const rows: (readonly [string, readonly string[]])[] = [
    ["State", [out.paint(colours[state], state), ...(differs.length === 0 ? [] : [`differs: ${differs.join(", ")}`])]],
    ["Paired", pairing === undefined ? ["no"] : [identity(pairing), ...(pairing.vin === undefined ? [] : [`VIN ${pairing.vin}`])]],
    ...(pairing === undefined ? [] : [["", [`${pairing.pairedAt} by ${pairing.by}: ${pairing.reason}`]] as const]),
    ["Found", found === undefined ? ["module or card do not answer"] : [identity(found), `ICCID ${found.iccid ?? "none"}`]],
    ...(challenge === undefined ? [] : [["Challenge", [challenge]] as const]),
  ];
  const tail =
    signs === undefined || pairing === undefined ? "" : `\nA token signs, in hex\n  unlock ${signs.unlock}\n  repair ${signs.repair}`;
  return `${out.fields(rows)}${tail}`;
}
