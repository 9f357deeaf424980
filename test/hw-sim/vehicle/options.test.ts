// The command line of simward-sim: what it takes, and how it refuses.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { defaultEimFaults } from "../../../hw-sim/eim/faults.ts";
import { defaultFaults } from "../../../hw-sim/euicc/types.ts";
import { faultTable } from "../../../hw-sim/faults.ts";
import { quirkNames } from "../../../hw-sim/modem/personalities/quirks.ts";
import { personalities } from "../../../hw-sim/modem/personalities/table.ts";
import { parseCommandLine, type RunOptions } from "../../../hw-sim/options.ts";
import { defaultScenario, scenarios } from "../../../hw-sim/scenarios/table.ts";
import { defaultSmdpFaults } from "../../../hw-sim/smdp/faults.ts";

function run(...args: string[]): RunOptions {
  const parsed = parseCommandLine(["run", ...args]);
  if (parsed.kind !== "run") throw new Error(`${parsed.kind} in place of run`);
  return parsed.options;
}

describe("simward-sim run", () => {
  it("needs no option", () => {
    expect(run()).toEqual({
      modem: [{ kind: "pty" }, { kind: "tcp", port: 0 }, { kind: "unix" }],
      personality: "generic",
      quirks: [],
      indirectDownload: true,
      esipaVersion: "1.2",
      scenario: defaultScenario,
      eimPort: 0,
      apiPort: 0,
      eimFqdn: "localhost",
      smdpFqdn: "localhost",
      services: [],
      profiles: [],
      driveSpeed: 1,
      faults: [],
      logLevel: "info",
    });
  });

  it("takes a make of module, quirks and an abstract socket; its help lists all there are", () => {
    const options = run("--personality", "telit-me910", "--quirk", "lf-only", "--quirk", "slow-apdu", "--modem", "unix:@abstract:simward");
    expect(options).toMatchObject({
      personality: "telit-me910",
      quirks: ["lf-only", "slow-apdu"],
      modem: [{ kind: "unix", path: "@abstract:simward" }],
    });
    expect(() => run("--quirk", "rust")).toThrow(
      expect.objectContaining({ code: "SIM_OPTION", detail: expect.stringContaining("lf-only") }),
    );
    const help = parseCommandLine(["run", "--help"]);
    for (const name of [...Object.keys(personalities), ...quirkNames])
      expect(help).toMatchObject({ kind: "text", text: expect.stringContaining(`\n  ${name} `) });
  });

  it("has every make, quirk and fault in the manual", () => {
    const manual = readFileSync("docs/hw-sim.md", "utf8");
    for (const name of [...Object.keys(personalities), ...quirkNames, ...Object.keys(faultTable)]) expect(manual).toContain(`\`${name}\``);
    for (const name of Object.keys(defaultFaults())) expect(manual, "eUICC").toContain(`\`${name}\``);
    const api = readFileSync("docs/hw-sim-api.md", "utf8");
    // Of tests in the same process alone.
    const inProcess = ["transformBpp"];
    for (const name of [...Object.keys(defaultEimFaults()), ...Object.keys(defaultSmdpFaults())])
      if (!inProcess.includes(name)) expect(`${api}${manual}`, "eIM and SM-DP+").toContain(`\`${name}\``);
  });

  it("takes ports, places and faults", () => {
    const options = run(
      ...["--modem", "pty:/tmp/modem", "tcp:9000", "--pki", "pki", "--state", "state", "--eim-port", "5684", "--seed", "7"],
      ...["--loss", "0.25", "--rtt", "3000", "--no-coverage", "89492990", "--fault", "error=+CGLA@5", "--fault", "silent-ms=5000"],
      ...["--eid", "89049032123451234512345678901235", "--imei", "356938035643809", "--scenario", "no-coverage"],
    );
    expect(options).toMatchObject({
      modem: [
        { kind: "pty", path: "/tmp/modem" },
        { kind: "tcp", port: 9000 },
      ],
      pkiDir: "pki",
      stateDir: "state",
      eimPort: 5684,
      seed: 7,
      eid: "89049032123451234512345678901235",
      imei: "356938035643809",
      scenario: scenarios["no-coverage"],
    });
    expect(options.faults).toEqual([
      { name: "loss", value: "0.25" },
      { name: "rtt-ms", value: "3000" },
      { name: "no-coverage", value: "89492990" },
      { name: "error", value: "+CGLA@5" },
      { name: "silent-ms", value: "5000" },
    ]);
  });

  it.each([
    [["--modem", "serial"], "--modem", "pty, tcp, unix"],
    [["--modem", "tcp:70000"], "--modem tcp", "70000"],
    [["--modem", "pty", "pty:/x"], "--modem", "once"],
    [["--scenario", "mars"], "--scenario", "no-coverage"],
    [["--scenario", "mars.json"], "mars.json", "no such file"],
    [["--drive-speed", "0"], "--drive-speed", "above 0"],
    [["--personality", "hayes"], "--personality", "generic"],
    [["--eim-port", "coap"], "--eim-port", "no port"],
    [["--eid", "123"], "--eid", "32 digits"],
    [["--seed", "x"], "--seed", "whole number"],
    [["--loss", "2"], "loss=2", "0..1"],
    [["--fault", "rust=1"], "rust", "silent-ms"],
    [["--fault", "loss"], "loss", "name=value"],
    [["--log-level", "loud"], "--log-level", "debug"],
    [["--speed", "9600"], "--speed", "unknown option"],
    [["--card", "chip"], "--card", "builtin"],
    [["--card", "vpcd:x:y"], "--card vpcd", "port"],
    [["--card", "http://a b"], "--card", "URL"],
    [["--card", "vpcd", "--serve-card", "http:1"], "--serve-card", "built-in"],
    [["--card", "vpcd", "--identity", "dir"], "--identity", "built-in"],
    [["--serve-card", "usb"], "--serve-card", "vpcd, tcp, http"],
    [["--curve", "secp521r1"], "--curve", "brainpool"],
    [["--profile", "x.der,colour=red"], "--profile", "matchingId="],
    [["--profile", "x.der,matchingId=a b"], "--profile", "letters"],
    [["--eim-port"], "--eim-port", "argument missing"],
  ])("refuses %j, naming what and where", (args, where, what) => {
    const refused = expect.objectContaining({ code: "SIM_OPTION", detail: expect.stringContaining(where) });
    expect(() => run(...args)).toThrow(refused);
    expect(() => run(...args)).toThrow(what);
  });

  it("takes cards, identities and profiles", () => {
    expect(run("--card", "vpcd").card).toEqual({ kind: "vpcd", host: "127.0.0.1", port: 35963 });
    expect(run("--card", "vpcd:0.0.0.0:4000").card).toEqual({ kind: "vpcd", host: "0.0.0.0", port: 4000 });
    expect(run("--card", "http://10.0.0.2:8080/apdu").card).toEqual({ kind: "http", url: "http://10.0.0.2:8080/apdu" });
    expect(run("--serve-card", "vpcd:[::1]:35963", "--serve-card", "http:8080")).toMatchObject({
      services: [
        { kind: "vpcd", host: "::1", port: 35963 },
        { kind: "http", host: "127.0.0.1", port: 8080 },
      ],
    });
    expect(run("--profile", "dir/fleet 1.der", "--profile", "x.der,matchingId=A-1,name=Fleet,spn=Net").profiles).toMatchObject([
      { path: "dir/fleet 1.der", matchingId: "fleet-1" },
      { path: "x.der", matchingId: "A-1", name: "Fleet", spn: "Net" },
    ]);
    expect(parseCommandLine(["card", "--vpcd", "35963", "--http", "0", "--identity", "certs"])).toMatchObject({
      kind: "card",
      options: { identityDir: "certs", services: [{ kind: "vpcd", port: 35963 }, { kind: "http" }] },
    });
    expect(() => parseCommandLine(["card"])).toThrow("--vpcd, --tcp, --http");
  });

  it("refuses to guess a command", () => {
    expect(() => parseCommandLine([])).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
    expect(() => parseCommandLine(["drive"])).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
  });

  it("explains itself, with every fault and scenario", () => {
    const help = parseCommandLine(["run", "--help"]);
    expect(help).toMatchObject({ kind: "text", text: expect.stringMatching(/--loss <share>[\s\S]*no-coverage[\s\S]*split-octets=MS/) });
  });
});
