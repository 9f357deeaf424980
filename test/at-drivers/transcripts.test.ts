// What modules answer, as their makers and their users wrote it down, read through the real port and the real commands.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as data from "../../at-drivers/commands/data.ts";
import * as general from "../../at-drivers/commands/general.ts";
import * as network from "../../at-drivers/commands/network.ts";
import * as sim from "../../at-drivers/commands/sim.ts";
import { createAtPort } from "../../at-drivers/engine/port.ts";
import type { AtPort } from "../../at-drivers/engine/types.ts";
import { fromHex, swappedBcdToDigits, toHex } from "../../base/bytes.ts";
import { VirtualClock } from "../../base/clock.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import { playTranscript, readTranscript, transcriptFiles } from "./transcripts.ts";

type Ask = readonly [ask: (port: AtPort) => Promise<unknown>, expected: unknown];

const isdR = fromHex("A0000005591010FFFFFFFF8900000100");
const refused = (code: string, cme?: number): unknown => ({ code, ...(cme === undefined ? {} : { cme }) });
const done = undefined;
const registered = (fields: object): unknown => ({
  ...{ n: undefined, tac: undefined, cellId: undefined, act: undefined, causeType: undefined, rejectCause: undefined },
  ...{ activeTime: undefined, periodicTau: undefined },
  ...fields,
});
const hex = (promise: Promise<Uint8Array>): Promise<string> => promise.then(toHex);

/** One row for each line of the transcript, in its order. */
const expectations: Readonly<Record<string, readonly Ask[]>> = {
  "generic-3gpp/identity.txt": [
    [(port) => port.send(general.readCmee), { mode: 0 }],
    [(port) => port.send(general.setCmee, 1), done],
    [(port) => port.send(general.cgmi), "Example Modules"],
    [(port) => port.send(general.cgmm), "EM-1"],
    [(port) => port.send(general.cgmr), "EM1R02A03"],
    [(port) => port.send(general.cgsn), "490154203237518"],
    [(port) => port.send(general.cgsnImei), "490154203237518"],
    [(port) => port.send(sim.cimi), "001010123456789"],
    [(port) => port.send(sim.readCpin), "READY"],
    [(port) => port.send(general.readCfun), { level: 1 }],
    [(port) => port.send(general.setCfun, 4), done],
    [(port) => port.send(general.resetByCfun), done],
    [(port) => port.send(general.readCclk), { time: "26/06/01,14:00:00+08" }],
    [(port) => port.send(general.readCtzu), { mode: 1 }],
    [(port) => port.send(general.setCtzu, 1), done],
    [(port) => port.send(general.readCtzr), { mode: 0, extra: undefined }],
    [(port) => port.send(general.setCtzr, 1), done],
  ],
  "generic-3gpp/network.txt": [
    [(port) => port.send(network.readRegistrations["+CREG"]), registered({ n: 0, stat: 1 })],
    [(port) => port.send(network.readRegistrations["+CGREG"]), registered({ n: 2, stat: 5, tac: "1A2B", cellId: "00E2BD12", act: 7 })],
    [(port) => port.send(network.readRegistrations["+CEREG"]), registered({ n: 3, stat: 3, causeType: 0, rejectCause: 15 })],
    [(port) => port.send(network.setRegistrationReports, "+CEREG", 3), done],
    [(port) => port.send(network.readCops), { mode: 0, format: 2, operator: "26201", act: 7 }],
    [(port) => port.send(network.setCopsNumeric), done],
    [(port) => port.send(network.setCopsAutomatic), done],
    [(port) => port.send(network.setCopsDeregistered), done],
    [(port) => port.send(network.setCopsManual, "26202"), refused("AT_CME_ERROR", 30)],
    [(port) => port.send(network.setCopsManual, "26201", 7), done],
    [
      (port) => port.send(network.testCops),
      [
        { stat: 2, longName: "Home (Net)", shortName: "Home", plmn: "26201", act: 7 },
        { stat: 3, longName: "Other", shortName: "Oth", plmn: "26202", act: 7 },
        { stat: 1, longName: "", shortName: "", plmn: "310410", act: undefined },
      ],
    ],
    [(port) => port.send(network.csq), { rssi: 20, ber: 99 }],
    [(port) => port.send(network.cesq), { rxlev: 99, ber: 99, rscp: 255, ecno: 255, rsrq: 20, rsrp: 57 }],
    [(port) => port.send(network.ceer), "No cause information available"],
  ],
  "generic-3gpp/data.txt": [
    [
      (port) => port.send(data.readCgdcont),
      [
        { cid: 1, type: "IPV4V6", apn: "internet" },
        { cid: 2, type: "Non-IP", apn: "iot" },
        { cid: 3, type: "IP", apn: undefined },
      ],
    ],
    [(port) => port.send(data.setCgdcont, 1, "IP", "internet"), done],
    [(port) => port.send(data.setCgauth, 1, 2, "user", "pass word"), done],
    [(port) => port.send(data.setCgauth, 1, 0, "", ""), done],
    [(port) => port.send(data.readCgatt), { state: 1 }],
    [(port) => port.send(data.setCgatt, 0), done],
    [
      (port) => port.send(data.readCgact),
      [
        { cid: 1, state: 1 },
        { cid: 2, state: 0 },
      ],
    ],
    [(port) => port.send(data.setCgact, 0, 1), refused("AT_CME_ERROR", 151)],
    [(port) => port.send(data.cgpaddr, 1), ["10.1.2.3", "fe80:0:0:0:0:0:0:1"]],
    [(port) => port.send(data.cgpaddr, 2), []],
    [(port) => port.send(data.cgpaddr, 3), []],
    [
      (port) => port.send(data.cgcontrdp, 1),
      [
        { cid: 1, apn: "internet", address: "10.1.2.3", gateway: "10.1.2.1", dns: ["8.8.8.8", "8.8.4.4"], mtuBytes: 1430 },
        {
          cid: 1,
          apn: "internet",
          address: "2001:db8:0:0:0:0:0:1",
          gateway: undefined,
          dns: ["2001:4860:4860:0:0:0:0:8888"],
          mtuBytes: undefined,
        },
      ],
    ],
    [
      (port) => port.send(data.cgcontrdp, 2),
      [{ cid: 2, apn: "iot", address: undefined, gateway: undefined, dns: [], mtuBytes: undefined }],
    ],
    [(port) => port.send(data.readCgerep), { mode: 0, bfr: 0 }],
    [(port) => port.send(data.setCgerep, 2, 1), done],
  ],
  "generic-3gpp/sim.txt": [
    [(port) => port.send(sim.ccho, isdR), "1"],
    [(port) => hex(port.send(sim.cgla, "1", fromHex("80E2910000"))), "6115"],
    [(port) => port.send(sim.cchc, "1"), done],
    [(port) => hex(port.send(sim.csim, fromHex("0070000001"))), "019000"],
    [
      (port) => port.send(sim.crsm, 176, 0x2fe2, 0, 0, 10).then(({ sw, data: file }) => [sw, swappedBcdToDigits(file)]),
      [0x9000, "89490125000123456789"],
    ],
    [(port) => port.send(sim.crsm, 214, 0x6f7b, 0, 0, 3, fromHex("FFFFFF")).then(({ sw }) => sw), 0x6982],
    [(port) => port.send(sim.ccho, fromHex("A000000087")), refused("AT_CME_ERROR", 22)],
  ],
  "quectel-ec2x/basics.txt": [
    [(port) => port.send(general.cgmi), "Quectel"],
    [(port) => port.send(general.cgmm), "EG25"],
    [(port) => port.send(general.cgmr), "EG25GGBR07A08M2G"],
    [(port) => port.send(general.cgsn), "861585040000000"],
    [(port) => port.send(sim.qccid), "89490200001234567890"],
    [(port) => port.send(sim.ccid), "8949020000123456789"],
    [(port) => port.send(network.readRegistrations["+CEREG"]), registered({ n: 2, stat: 1, tac: "DE10", cellId: "6BD0F0B", act: 7 })],
    [(port) => port.send(sim.readCpin), "SIM PIN"],
    [(port) => hex(port.send(sim.cgla, "1", fromHex("80E2910006BF3E035C015A"))), "6121"],
    [(port) => port.send(sim.ccho, isdR), "1"],
    [(port) => port.send(sim.cgla, "2", fromHex("80E2910000")), refused("AT_ERROR")],
  ],
  "quectel-bg9x/basics.txt": [
    [(port) => port.send(general.cgmi), "Quectel"],
    [(port) => port.send(general.cgmm), "BG96"],
    [(port) => port.send(general.cgmr), "BG96MAR01A01M1G"],
    [(port) => port.send(network.readCops), { mode: 0, format: 2, operator: "46001", act: 8 }],
    [(port) => port.send(sim.crsm, 176, 0x2fe2, 0, 0, 10).then(({ data: file }) => swappedBcdToDigits(file)), "89490200001234567890"],
  ],
  "simcom-a76xx/basics.txt": [
    [(port) => port.send(general.cgmi), "SIMCOM INCORPORATED"],
    [(port) => port.send(general.cgmm), "A7670C-LASS"],
    [(port) => port.send(general.cgmr), "A35B01A7600C"],
    [(port) => port.send(sim.ciccid), "89860123456789012345"],
    [(port) => port.send(sim.readCpin), refused("AT_CME_ERROR", 13)],
    [(port) => port.send(network.readRegistrations["+CGREG"]), registered({ n: 2, stat: 1, tac: "230A", cellId: "0A75FC23" })],
    [(port) => port.send(general.readCclk), { time: "70/01/01,00:00:07+00" }],
    [(port) => hex(port.send(sim.csim, fromHex("0070000000"))), "019000"],
  ],
  "simcom-sim7080/basics.txt": [
    [(port) => port.send(general.cgmm), "SIMCOM_SIM7080"],
    [(port) => port.send(general.cgmr), "Revision:1951B16SIM7080"],
    [(port) => port.send(sim.ccid), "89860123456789012345"],
    [(port) => port.send(network.readRegistrations["+CEREG"]), registered({ n: 2, stat: 1, tac: "5AE1", cellId: "0B28A1DB", act: 9 })],
    [(port) => port.send(network.readRegistrations["+CGREG"]), registered({ n: 2, stat: 1, tac: "5AE1", cellId: "0B28A1DB", act: 7 })],
    [(port) => port.send(sim.cimi), "460110123456789"],
    [(port) => port.send(network.testCops), refused("AT_ERROR")],
  ],
  "ublox-sara/basics.txt": [
    [(port) => port.send(general.cgmi), "u-blox"],
    [(port) => port.send(general.cgmm), "SARA-R510S"],
    [(port) => port.send(sim.ccid), "8939107800023416395"],
    [(port) => port.send(network.ceer), '"EMM cause",15,"No suitable cells in tracking area"'],
    [
      (port) => port.send(network.readRegistrations["+CEREG"]),
      registered({ n: 4, stat: 1, tac: "2B67", cellId: "69F6BC7", act: 7, activeTime: "00000000", periodicTau: "11100000" }),
    ],
    [(port) => port.send(data.setCgatt, 1), refused("AT_CME_ERROR", 14)],
    [(port) => port.send(network.testCops), refused("AT_ERROR")],
    [(port) => port.send(network.setCopsAutomatic), refused("AT_ERROR")],
  ],
  "nordic-nrf91/basics.txt": [
    [(port) => port.send(general.cgmm), "nRF9160-SICA"],
    [(port) => port.send(general.cgmr), "mfw_nrf9160_1.3.5"],
    [(port) => port.send(general.cgsnImei), "352656100367872"],
    [
      (port) => port.send(network.readRegistrations["+CEREG"]),
      registered({ n: 5, stat: 5, tac: "420F", cellId: "00E2BD12", act: 7, activeTime: "00001010", periodicTau: "00110100" }),
    ],
    [(port) => port.send(network.readRegistrations["+CGREG"]), refused("AT_ERROR")],
    [(port) => port.send(network.setRegistrationReports, "+CEREG", 5), refused("AT_CME_ERROR", 518)],
  ],
  "telit-me/basics.txt": [
    [(port) => port.send(general.cgmi), "Telit"],
    [(port) => port.send(general.cgmm), "ME910C1-E1"],
    [(port) => port.send(sim.ccho, isdR), "2"],
  ],
  "fibocom-fm350/basics.txt": [
    [(port) => port.send(sim.ccho, isdR), "1"],
    [(port) => hex(port.send(sim.cgla, "1", fromHex("80E2910000"))), "9000"],
    [(port) => port.send(sim.cchc, "1"), done],
  ],
  "sierra-mc7455/basics.txt": [
    [(port) => port.send(sim.ccho, isdR), "00000000038aa32f"],
    [(port) => hex(port.send(sim.cgla, "00000000038aa32f", fromHex("80E2910000"))), "9108"],
    [(port) => port.send(sim.cchc, "00000000038aa32f"), done],
    [(port) => port.send(data.setCgauth, 1, 0, "", ""), refused("AT_CME_ERROR", 50)],
  ],
};

const sources = readFileSync("docs/modules.md", "utf8");

describe.each(transcriptFiles().map((name) => [name] as const))("%s", (name) => {
  const exchanges = readTranscript(name);
  const asks = expectations[name] ?? [];

  test("every line has its expectation, and cites a source of docs/modules.md", () => {
    expect(asks).toHaveLength(exchanges.length);
    for (const { source, where } of exchanges) expect(sources, where).toContain(`\`${source.split(/[ #]/)[0]}\``);
  });

  test.each(exchanges.map((exchange, index) => [exchange.command, exchange, asks[index]] as const))(
    "%s",
    async (command, exchange, asked) => {
      const clock = new VirtualClock();
      const far = playTranscript([exchange]);
      const port = createAtPort({ channel: far.channel, clock });
      await clock.runUntil(port.resync(10_000));
      const [ask, expected] = asked ?? [];
      const answer = await clock.runUntil(ask?.(port).catch((error: unknown) => errorShape(error)) ?? Promise.resolve("no expectation"));
      expect(answer).toEqual(expected);
      expect(far.received.at(-1)).toBe(command);
    },
  );
});

function errorShape(error: unknown): unknown {
  if (!(error instanceof SimwardError)) throw error;
  const { cme } = error.data;
  return { code: error.code, ...(isCode(error, "AT_CME_ERROR") && cme !== undefined ? { cme } : {}) };
}
