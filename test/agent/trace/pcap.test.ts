// Captures, read back by tshark: APDUs by its gsm_sim dissector, CoAP by its coap dissector, both families of addresses, checksums right.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TraceLine } from "../../../agent/api/trace-types.ts";
import { createPcap } from "../../../agent/cli/pcap.ts";
import { fromHex, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { encodeMessage } from "../../../transports/coap/message.ts";

const run = promisify(execFile);
const hasTshark = await run("tshark", ["--version"]).then(
  () => true,
  () => false,
);

const line = (layer: "apdu" | "coap", direction: "tx" | "rx", octets: string, peer: string, at: number): TraceLine => ({
  ...{ schema: "simward/trace/1", seq: at, time: new Date(1_780_000_000_000 + at).toISOString(), monotonicMs: at },
  ...{ layer, direction, octets, peer, text: "" },
});

const request = encodeMessage({
  ...{ type: "CON", code: "0.02", messageId: 0x1234, token: fromHex("A1B2C3") },
  options: { uriPath: [utf8("gsma"), utf8("rsp2"), utf8("asn1")] },
  payload: fromHex("BF4F125A1089049032123451234512345678901235"),
});
const answer = encodeMessage({
  ...{ type: "ACK", code: "2.04", messageId: 0x1234, token: fromHex("A1B2C3"), options: {}, payload: fromHex("BF4F03020101") },
});

const lines: readonly TraceLine[] = [
  line("coap", "tx", toHexUpper(request), "198.51.100.7:5684", 1),
  line("coap", "rx", toHexUpper(answer), "198.51.100.7:5684", 2),
  line("coap", "tx", toHexUpper(request), "[2001:db8:1::7]:5684", 3),
  line("apdu", "tx", "80E2910003BF2E00", "channel 1", 4),
  line("apdu", "rx", "6115", "channel 1", 5),
  line("apdu", "tx", "00C0000015", "channel 1", 6),
  line("apdu", "rx", "BF2E128010BDCD4E02F7313F30B0E54E06BD6CFA809000", "channel 1", 7),
  // A command without a response.
  line("apdu", "tx", "00A4040010A0000005591010FFFFFFFF8900000100", "channel 2", 8),
];

describe.runIf(hasTshark)("a capture", () => {
  let dir = "";
  let file = "";
  let unanswered = 0;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "simward-pcap-"));
    file = join(dir, "trace.pcap");
    const pcap = createPcap();
    await writeFile(file, Buffer.concat([pcap.head, ...lines.map((one) => pcap.add(one))]));
    unanswered = pcap.unanswered;
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const fields = async (filter: string, ...names: readonly string[]): Promise<readonly (readonly string[])[]> => {
    const checks = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"];
    const { stdout } = await run("tshark", ["-r", file, ...checks, "-Y", filter, "-T", "fields", ...names.flatMap((name) => ["-e", name])]);
    return stdout
      .split("\n")
      .filter((row) => row !== "")
      .map((row) => row.split("\t"));
  };

  test("CoAP: code, token, path and payload, to and from the eIM's address", async () => {
    const rows = await fields("coap", "coap.code", "coap.token", "coap.opt.uri_path", "data.data", "ip.dst", "ip.src", "ipv6.dst");
    expect(rows).toEqual([
      ["2", "a1b2c3", "gsma,rsp2,asn1", "bf4f125a1089049032123451234512345678901235", "198.51.100.7", "192.0.2.1", ""],
      ["68", "a1b2c3", "", "bf4f03020101", "192.0.2.1", "198.51.100.7", ""],
      ["2", "a1b2c3", "gsma,rsp2,asn1", "bf4f125a1089049032123451234512345678901235", "", "", "2001:db8:1::7"],
    ]);
  });

  test("APDUs: instruction and status word, command and response in one", async () => {
    const rows = await fields("gsm_sim", "gsm_sim.apdu.ins", "gsm_sim.apdu.sw", "udp.dstport");
    expect(rows.map(([ins = "", sw = "", ...rest]) => [Number(ins), sw === "" ? "" : Number(sw), ...rest])).toEqual([
      [0xe2, 0x6115, "4729"],
      [0xc0, 0x9000, "4729"],
    ]);
    expect(unanswered).toBe(1);
  });

  test("every checksum is right and nothing is malformed", async () => {
    expect(await fields("ip.checksum.status == 0 || udp.checksum.status == 0 || _ws.malformed && !gsm_sim", "frame.number")).toEqual([]);
    expect(await fields("udp.checksum.status == 1", "frame.number")).toHaveLength(5);
    expect(await fields("frame", "frame.time_epoch")).toHaveLength(5);
  });
});
