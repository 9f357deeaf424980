// What the gateway is made of, without a namespace: name servers, announcements, command line.
import { expect, it } from "vitest";
import { advertisement } from "../../../hw-sim/gateway/announcements.ts";
import { answerTo, poison } from "../../../hw-sim/gateway/dns.ts";
import { records } from "../../../hw-sim/gateway/plan.ts";
import { flowOptions } from "../../../hw-sim/gateway/traffic.ts";
import { parseDataLink } from "../../../hw-sim/network/data-link.ts";
import { parseCommandLine } from "../../../hw-sim/options.ts";

/** A question as resolvers write it: RD set, one name. */
function query(name: string, type: number): Buffer {
  const labels = name.split(".").filter(Boolean);
  return Buffer.concat([
    Buffer.from("abcd01000001000000000000", "hex"),
    ...labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)])),
    Buffer.of(0, 0, type, 0, 1),
  ]);
}

const A = 1;
const AAAA = 28;

it("answers A and AAAA from its table, by the same question, whatever the case", () => {
  const asked = query("Fleet.simward.TEST", A);
  const said = answerTo(asked, { records, mode: "ok" })?.toString("hex") ?? "";
  // QR AA RD RA, NOERROR, one question, one answer.
  expect(said.slice(0, 24)).toBe("abcd85800001000100000000");
  expect(said.slice(24, asked.length * 2)).toBe(asked.toString("hex").slice(24));
  expect(said.slice(asked.length * 2)).toBe("c00c00010001000000010004c633640a");
  const six = answerTo(query("fleet.simward.test", AAAA), { records, mode: "ok" })?.toString("hex") ?? "";
  expect(six.endsWith("c00c001c000100000001001020010db8010000000000000000000010")).toBe(true);
});

it("says that a name is not there (NXDOMAIN), that one has no such address, that the root is; lies and is silent when told", () => {
  const head = (name: string, type: number, mode: "ok" | "poisoned" | "silent" = "ok"): string | undefined =>
    answerTo(query(name, type), { records, mode })?.toString("hex").slice(4, 16);
  expect(head("nobody.example", A)).toBe("858300010000");
  expect(head("eim.simward.test", AAAA)).toBe("858000010000");
  expect(head("", 2)).toBe("858000010000");
  expect(head("eim.simward.test", A, "silent")).toBeUndefined();
  const lie = answerTo(query("eim.simward.test", A), { records, mode: "poisoned" });
  expect(lie?.subarray(-4).join(".")).toBe(poison.v4);
});

it("passes over what is no question", () => {
  const whole = query("eim.simward.test", A);
  for (let cut = 0; cut < whole.length; cut++) expect(answerTo(whole.subarray(0, cut), { records, mode: "ok" })).toBeUndefined();
  const pointer = Buffer.from(whole);
  pointer[12] = 0xc0;
  expect(answerTo(pointer, { records, mode: "ok" })).toBeUndefined();
  const answer = Buffer.from(whole);
  answer[2] = 0x81;
  expect(answerTo(answer, { records, mode: "ok" })).toBeUndefined();
});

it("announces a prefix to make addresses of, and the MTU (RFC 4861 §4.2, §4.6)", () => {
  expect(advertisement("2001:db8:64::", 1_430).toString("hex")).toBe(
    "8600000040000708000000000000000003044040000151800001518000000000" + "20010db800640000000000000000000005010000" + "00000596",
  );
});

it("takes its command line, and says what is wrong with it", () => {
  const command = (...args: string[]) => parseCommandLine(["gateway", ...args]);
  expect(command("up")).toEqual({ kind: "gateway", command: { verb: "up", name: "simward", vpn: false, vehicle: [] } });
  expect(command("up", "--name", "a1", "--vpn", "--", "--loss", "0.1")).toEqual({
    kind: "gateway",
    command: { verb: "up", name: "a1", vpn: true, vehicle: ["--loss", "0.1"] },
  });
  expect(command("exec", "--uid", "1000", "ecu", "curl", "--max-time", "3", "x")).toEqual({
    kind: "gateway",
    command: { verb: "exec", name: "simward", place: "ecu", uid: 1_000, command: ["curl", "--max-time", "3", "x"] },
  });
  expect(command("exec", "gw", "--", "ip", "route")).toMatchObject({ command: { command: ["ip", "route"] } });
  expect(command("down")).toEqual({ kind: "gateway", command: { verb: "down", name: undefined } });
  expect(command("status")).toEqual({ kind: "gateway", command: { verb: "status" } });
  for (const wrong of [
    ["up", "--name", "../x"],
    ["up", "--name", "A b"],
    ["exec", "moon", "ls"],
    ["exec", "--uid", "root", "gw", "ls"],
    ["down", "a;b"],
  ])
    expect(() => command(...wrong)).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
});

it("takes a data link between two namespaces", () => {
  expect(parseDataLink("wwan0@vehicle@operator")).toEqual({ interface: "wwan0", namespace: "vehicle", operator: "operator" });
  expect(() => parseDataLink("wwan0@vehicle@a@b")).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
});

it("takes a flow only as it can be sent", () => {
  const flow = { tag: "gw.v4.udp", protocol: "udp", host: "198.51.100.10", everyMs: 50, bytes: 200 } as const;
  expect(flowOptions({ ...flow })).toEqual(flow);
  for (const wrong of [{ tag: "a b" }, { protocol: "tcp" }, { everyMs: 0 }, { bytes: 100_000 }, { host: 7 }])
    expect(() => flowOptions({ ...flow, ...wrong })).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
});
