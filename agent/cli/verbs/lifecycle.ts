// simward lifecycle status, set, retire, transfer, test-trigger: the stage of the vehicle's life, who moves it, and what would.
import { SimwardError } from "../../../base/errors.ts";
import type { LifecycleReport, LifecycleTest } from "../../api/types.ts";
import { exitCodes } from "../exit.ts";
import { textOf } from "../given.ts";
import type { Output } from "../output.ts";
import { asTyped, needReason, textOption, timeOption, type Verb, type VerbInput, wholeNumberOption } from "../verb.ts";

const stageNames = ["factory_test", "shipping", "operational", "suspended", "retired"];
/** The card may be at work. */
const timeoutSeconds = 120;

export const lifecycleStatus: Verb = {
  name: "lifecycle status",
  summary: "the stage, what would bring the next one about; exits with 13 while a retirement or transfer is not finished",
  example: "simward lifecycle status",
  async run({ api, out }) {
    const life = await api("viewer").call<LifecycleReport>("GET", "/v1/lifecycle");
    show(life, out);
    return life.wipe !== undefined && life.wipe.phase !== "done" ? exitCodes.partial : undefined;
  },
};

export const lifecycleSet: Verb = {
  name: "lifecycle set",
  summary: "order a stage, by the socket's role or by a token of the fleet (docs/policy.md), as [lifecycle] allows",
  example: "simward lifecycle set shipping --reason 'end of line 4'",
  args: [{ name: "stage", help: "shipping, operational or suspended; retired with a token, else see lifecycle retire" }],
  options: [
    { flags: "--token <file>", help: "holds the signature in base64; - for standard input" },
    { flags: "--admin", help: "over the admin's socket" },
  ],
  timeoutSeconds,
  async run(context, input) {
    const { api, out } = context;
    const [stage = ""] = input.args;
    if (!stageNames.includes(stage)) throw new SimwardError("USAGE", { detail: `${asTyped(stage)}: there are ${stageNames.join(", ")}` });
    const why = needReason(input);
    const file = textOption(input, "token");
    const token = file === undefined ? undefined : (await textOf(context, file)).trim();
    const body = { stage, reason: why, ...(token === undefined ? {} : { token }) };
    const life = await api(input.options.admin === true ? "admin" : "engineer").call<LifecycleReport>("POST", "/v1/lifecycle/stage", body);
    show(life, out);
    return undefined;
  },
};

export const lifecycleRetire: Verb = {
  name: "lifecycle retire",
  summary: "retire the vehicle, for good: nothing is enabled on its eUICC afterwards; over the admin's socket",
  example: "simward lifecycle retire --yes --reason 'scrapped, ticket 123'",
  danger: "nothing is enabled on the eUICC any more, for good",
  timeoutSeconds,
  async run({ api, out }, input) {
    const body = { reason: needReason(input) };
    const life = await api("admin").call<LifecycleReport>("POST", "/v1/lifecycle/retire", body);
    show(life, out);
    return undefined;
  },
};

export const lifecycleTransfer: Verb = {
  name: "lifecycle transfer",
  summary: "end one owner's time: all profiles go but the provisioning profile; over the admin's socket",
  example: "simward lifecycle transfer --yes --reason 'sold, ticket 123'",
  danger: "all profiles go but the provisioning profile",
  timeoutSeconds,
  async run({ api, out }, input) {
    const body = { reason: needReason(input) };
    const life = await api("admin").call<LifecycleReport>("POST", "/v1/lifecycle/transfer", body);
    show(life, out);
    return undefined;
  },
};

export const lifecycleTestTrigger: Verb = {
  name: "lifecycle test-trigger",
  summary: "what would become of the stage if this were so; nothing is done. What is left out is as it is now",
  example: "simward lifecycle test-trigger --stage shipping --odometer 51",
  options: [
    { flags: "--stage <stage>", help: stageNames.join(", ") },
    { flags: "--time <time>", help: "RFC 3339; as if the network vouched for it" },
    { flags: "--used <bytes>", help: "traffic in the stage" },
    { flags: "--ignitions <n>", help: "times that it was switched on in the stage" },
    { flags: "--odometer <km>", help: "whole kilometres" },
    { flags: "--country <ISO>", help: "where the vehicle is registered" },
  ],
  async run({ api, out }, input) {
    const body = assumed(input);
    const test = await api("viewer").call<LifecycleTest>("POST", "/v1/lifecycle/test-trigger", body);
    out.result(test, () => {
      const outcome = test.to === undefined ? `${test.from} stays` : `${test.from} -> ${out.paint("yellow", test.to)}`;
      const why = test.to === undefined ? [] : [`${test.trigger}: ${test.reason}`];
      return out.fields([["Outcome", [outcome, ...why]], ...nextRows(test.next, out)]);
    });
    return undefined;
  },
};

function assumed(input: VerbInput): Readonly<Record<string, unknown>> {
  const most = Number.MAX_SAFE_INTEGER;
  const given = {
    stage: textOption(input, "stage"),
    time: timeOption(input, "time"),
    usedBytes: wholeNumberOption(input, "used", 0, most),
    ignitions: wholeNumberOption(input, "ignitions", 0, most),
    odometerKm: wholeNumberOption(input, "odometer", 0, 10_000_000),
    country: textOption(input, "country"),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

type Row = readonly [string, readonly string[]];

function nextRows(next: LifecycleReport["next"], out: Output): readonly Row[] {
  return next.map(({ stage, trigger, holds, words }, i) => [
    i === 0 ? "Next" : "",
    [stage, trigger, holds ? out.paint("yellow", `holds: ${words}`) : words],
  ]);
}

/** What a token signs has the EID in it, in a form that no mask knows. */
function show({ signs, ...others }: LifecycleReport, out: Output): void {
  const shown = out.showIds && signs !== undefined ? { ...others, signs } : others;
  out.result(shown, () => rendered(shown, out));
}

const colours: Readonly<Record<string, "green" | "yellow" | "red">> = { operational: "green", suspended: "red", retired: "red" };

function rendered(life: LifecycleReport, out: Output): string {
  const { stage, since, cause, wipe, usedBytes, capBytes, ignition, odometerKm, challenge, signs } = life;
  const rows: Row[] = [["Stage", [out.paint(colours[stage] ?? "yellow", stage), `since ${since}`, `${cause}: ${life.reason}`]]];
  if (usedBytes !== undefined) rows.push(["Used", [`${usedBytes} bytes${capBytes === undefined ? "" : ` of ${capBytes}`}`]]);
  if (ignition !== undefined || odometerKm !== undefined)
    rows.push([
      "Vehicle",
      [...(ignition === undefined ? [] : [`ignition ${ignition}`]), ...(odometerKm === undefined ? [] : [`${odometerKm} km`])],
    ]);
  if (wipe !== undefined) {
    const left = wipe.left.length === 0 ? [] : [out.paint("red", `left: ${wipe.left.join(", ")}`)];
    const undelivered = wipe.undelivered === 0 ? [] : [`${wipe.undelivered} not delivered`];
    const checked = wipe.checks === 0 ? [] : [`checked ${wipe.checks} times since`];
    rows.push([
      wipe.kind === "retire" ? "Retirement" : "Transfer",
      [wipe.phase, `by ${wipe.by.replaceAll("_", " ")}`, ...checked, ...left, ...undelivered],
    ]);
  }
  rows.push(...nextRows(life.next, out));
  if (challenge !== undefined) rows.push(["Challenge", [challenge]]);
  const tokens = Object.entries(signs ?? {}).map(([to, octets]) => `\n  ${to} ${octets}`);
  return `${out.fields(rows)}${tokens.length === 0 ? "" : `\nA token signs, in hex${tokens.join("")}`}`;
}
