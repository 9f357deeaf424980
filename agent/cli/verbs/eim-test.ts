// simward eim test: the ways to an eIM, step by step, without taking a package.
import type { EimBindingTest, EimTestReport } from "../../api/doctor-types.ts";
import { exitCodeOf } from "../exit.ts";
import { duration } from "../layout.ts";
import type { Output } from "../output.ts";
import { textOption, type Verb } from "../verb.ts";

export const eimTest: Verb = {
  name: "eim test",
  summary: "the ways to an eIM: name, DTLS or TLS, pinned key; no package is taken",
  example: "simward eim test --binding coaps",
  args: [{ name: "eimId", help: "only this eIM; all by default", optional: true }],
  options: [{ flags: "--binding <binding>", help: "only this one: coaps, https or https-json" }],
  timeoutSeconds: 90,
  async run({ api, out }, input) {
    const [eimId] = input.args;
    const binding = textOption(input, "binding");
    const order = { ...(eimId === undefined ? {} : { eimId }), ...(binding === undefined ? {} : { binding }) };
    const report = await api("engineer").call<EimTestReport>("POST", "/v1/eim/test", order);
    out.result(report, () => report.eims.map((eim) => renderEim(eim, out)).join("\n\n"));
    const errors = report.eims.flatMap(({ error, bindings }) => [
      ...(error === undefined ? [] : [error]),
      ...bindings.flatMap((one) => (one.error === undefined ? [] : [one.error])),
    ]);
    const [first] = errors;
    return first === undefined ? undefined : exitCodeOf(first.code);
  },
};

function renderEim({ eimId, error, bindings }: EimTestReport["eims"][number], out: Output): string {
  const rows: (readonly [string, readonly string[]])[] = [[out.paint("bold", "eIM"), [eimId]]];
  if (error !== undefined) rows.push([out.paint("red", "FAIL"), [`${error.code}: ${error.message}`, `-> ${error.next}`]]);
  for (const test of bindings) rows.push(...rowsOf(test, out));
  return out.fields(rows);
}

function rowsOf(
  { binding, host, port, serverName, trust, addresses, outcome, protocol, tookMs, error }: EimBindingTest,
  out: Output,
): (readonly [string, readonly string[]])[] {
  const isWell = outcome === "trusted";
  return [
    [out.paint(isWell ? "green" : "red", `${isWell ? "ok" : "FAIL"} ${binding}`), [`${host}:${port}`, duration(tookMs)]],
    ["  name", [addresses === undefined ? out.paint("red", "not found") : addresses.join(", ")]],
    ["  trust", [trust, `as ${serverName}`]],
    ["  handshake", error === undefined ? [protocol ?? ""] : [`${error.code}: ${error.message}`, `-> ${error.next}`]],
  ];
}
