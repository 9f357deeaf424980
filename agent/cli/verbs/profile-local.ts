// simward profile download, enable, disable, delete, nickname: what a local profile assistant does (SGP.22 §3.2). Codes are read from a file or standard
// input, never from the command line, where every process could read them.
import { SimwardError } from "../../../base/errors.ts";
import type { ProfileChange, ProfileDownloaded } from "../../api/types.ts";
import { textOf } from "../given.ts";
import type { Output } from "../output.ts";
import { quietOption, withProgress } from "../progress.ts";
import { type CliContext, textOption, type Verb, type VerbInput } from "../verb.ts";

/** A profile that finds no network has its deadline, and so has the way back. */
const timeoutSeconds = 1_200;
const target = { name: "profile", help: "its ICCID or nickname, or a beginning that only one has" };

/** SGP.22 §3.1.3, as the steps are named in events; what else is asked between them is not counted. */
export const downloadPlan = [
  "ES10b.GetEUICCInfo1",
  "ES10b.GetEUICCChallenge",
  "ES9+.InitiateAuthentication",
  "ES10b.AuthenticateServer",
  "ES9+.AuthenticateClient",
  "ES10b.PrepareDownload",
  "ES9+.GetBoundProfilePackage",
  "ES10b.LoadBoundProfilePackage",
] as const;

export const profileDownload: Verb = {
  name: "profile download",
  summary: "download and install a profile by its activation code; it stays disabled",
  example: "simward profile download --ac activation-code.txt",
  options: [
    { flags: "--ac <file>", help: "holds the activation code; - for standard input", default: "-" },
    { flags: "--cc <file>", help: "holds the confirmation code; - for standard input, after the activation code's line" },
    quietOption,
  ],
  timeoutSeconds,
  hasProgress: true,
  async run(context, input) {
    const { activationCode, confirmationCode } = await codesOf(context, textOption(input, "ac") ?? "-", textOption(input, "cc"));
    const body = { activationCode, ...(confirmationCode === undefined ? {} : { confirmationCode }) };
    const ask = () => context.api("engineer").call<ProfileDownloaded>("POST", "/v1/profiles/download", body);
    const done = await withProgress(context, input, ask, downloadPlan);
    const { out } = context;
    out.result(
      done,
      () => `${out.paint("green", "installed")} ${[done.iccid, done.name, done.serviceProvider].filter(Boolean).join("  ")}`,
    );
    return undefined;
  },
};

export const profileEnable: Verb = {
  name: "profile enable",
  summary: "enable a profile and wait for its network; where there is none the former one is enabled again",
  example: "simward profile enable 8946",
  args: [target],
  options: [quietOption],
  timeoutSeconds,
  hasProgress: true,
  run: (context, input) => change(context, input, "/v1/profiles/enable", {}),
};

export const profileDisable: Verb = {
  name: "profile disable",
  summary: "disable the enabled profile: the vehicle has no network until another one is enabled",
  example: "simward profile disable 8946 --i-know-it-goes-dark --reason 'ticket 123'",
  args: [target],
  options: [{ flags: "--i-know-it-goes-dark", help: "that nothing is enabled afterwards" }],
  timeoutSeconds,
  hasProgress: true,
  run: (context, input) => change(context, input, "/v1/profiles/disable", input.options.iKnowItGoesDark === true ? { goesDark: true } : {}),
};

export const profileDelete: Verb = {
  name: "profile delete",
  summary: "delete a disabled profile for good; the last one to go back to needs --admin and --reason",
  example: "simward profile delete 8946 --yes --reason 'ticket 123'",
  args: [target],
  options: [{ flags: "--admin", help: "over the admin's socket" }],
  timeoutSeconds,
  hasProgress: true,
  danger: "the profile is deleted for good",
  run: (context, input) => change(context, input, "/v1/profiles/delete", {}),
};

export const profileNickname: Verb = {
  name: "profile nickname",
  summary: "give a profile a nickname; an empty one takes it away",
  example: "simward profile nickname 8946 'Fleet Turkey'",
  args: [target, { name: "nickname", help: "64 octets at most" }],
  hasProgress: true,
  run: (context, input) => change(context, input, "/v1/profiles/nickname", { nickname: input.args[1] ?? "" }, false),
};

/** `isReasoned`: the order itself has a place for the reason; it goes with every order anyway. */
async function change(context: CliContext, input: VerbInput, path: string, more: object, isReasoned = true): Promise<undefined> {
  const { out, api } = context;
  const why = isReasoned ? textOption(input, "reason") : undefined;
  const body = { target: input.args[0] ?? "", ...more, ...(why === undefined ? {} : { reason: why }) };
  const role = input.options.admin === true ? "admin" : "engineer";
  const done = await withProgress(context, input, () => api(role).call<ProfileChange>("POST", path, body));
  out.result(done, () => outcomeText(path, done, out));
  return undefined;
}

function outcomeText(path: string, { iccid, nickname, enabled, outcome }: ProfileChange, out: Output): string {
  const name = nickname === undefined ? iccid : `${iccid} "${nickname}"`;
  if (path.endsWith("/delete")) return `${out.paint("green", "deleted")} ${name}`;
  if (path.endsWith("/nickname")) return name;
  const state = enabled ? "enabled" : "disabled";
  if (outcome === "already") return `${name} was ${state} already: nothing was done`;
  if (!enabled) return `${out.paint("yellow", state)} ${name}: no profile is enabled`;
  return `${out.paint("green", state)} ${name} ${outcome === "online" ? "online" : out.paint("yellow", "no network")}`;
}

interface Codes {
  readonly activationCode: string;
  readonly confirmationCode: string | undefined;
}

/** Each from its file; from standard input one line after the other. Throws USAGE, NOT_FOUND. */
async function codesOf(context: CliContext, ac: string, cc: string | undefined): Promise<Codes> {
  if (ac === "-" && cc === "-") {
    const [activationCode = "", confirmationCode = ""] = (await textOf(context, "-")).split(/\r?\n/).map((line) => line.trim());
    if (confirmationCode === "")
      throw new SimwardError("USAGE", { detail: "standard input holds no second line with the confirmation code" });
    return { activationCode: given(activationCode), confirmationCode };
  }
  const activationCode = given((await textOf(context, ac)).trim());
  return { activationCode, confirmationCode: cc === undefined ? undefined : (await textOf(context, cc)).trim() };
}

function given(activationCode: string): string {
  if (activationCode === "") throw new SimwardError("USAGE", { detail: "there is no activation code in what was given" });
  return activationCode;
}
