// Traces and log over the local API: what each role sees, what is audited, that a request has an id, and how the command line shows it.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import type { Status } from "../../../agent/api/types.ts";
import { runCli } from "../../../agent/cli/main.ts";
import { createTraceActs } from "../../../agent/trace/acts.ts";
import { createLogTail } from "../../../agent/trace/log-tail.ts";
import { openTraceStore } from "../../../agent/trace/store.ts";
import { concatBytes, fromHex, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { createLog, silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { createTraceBus, type TraceBus, traceId, traceLayers } from "../../../base/trace.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";
import { encodeMessage } from "../../../transports/coap/message.ts";
import { quietLocalActs } from "../../support/local-acts.ts";

const eid = "89049032123451234512345678901235";
const getEimPackage = fromHex(`BF4F125A10${eid}`);

let dir = "";
let server: ApiServer;
let bus: TraceBus;
let audited: readonly object[];
let auditFails = false;
let log: ReturnType<typeof createLog>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-trace-"));
  const clock = new VirtualClock();
  const random = seededRandom(1);
  bus = createTraceBus({ clock, random });
  const config = { enabled: true, layers: [...traceLayers], memory_bytes: 65_536, disk: "failures", ring_bytes: 65_536 } as const;
  const store = await openTraceStore({
    bus,
    disk: faultDisk(random),
    config: { ...config, layers: [...traceLayers] },
    clock,
    random,
    log: silentLog,
  });
  const tail = createLogTail();
  log = createLog({ level: "info", clock, destination: { write: () => undefined }, onLine: tail.take });
  audited = [];
  auditFails = false;
  const trace = createTraceActs({
    ...{ store, bus },
    log: {
      tail,
      get level() {
        return log.level;
      },
      set level(level) {
        log.level = level;
      },
    },
    audit: async (act, role, _peer, data) => {
      if (auditFails) throw new SimwardError("AUDIT_WRITE", { detail: "no space left" });
      audited = [...audited, { act, role, ...data }];
    },
  });
  server = await serveApi(
    { dir },
    {
      ...quietLocalActs,
      trace,
      status: async () => ({ schema: "simward/status/1" }) as Status,
      profiles: async () => {
        throw new SimwardError("CARD_NOT_EUICC");
      },
      pollEim: async () => ({ schema: "simward/poll/1", eims: [] }),
      auditRecords: async () => ({ schema: "simward/audit/1", records: [] }),
      verifyAudit: async () => ({
        schema: "simward/audit-verification/1",
        ...{ ok: true, records: 0, firstSeq: 0, head: { seq: 0, hash: "" }, tornBytes: 0, checkpoints: 0 },
      }),
      events: () => () => undefined,
      auditAdminAct: async () => undefined,
    },
    silentLog,
  );
});
afterEach(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

async function simward(
  args: readonly string[],
  columns?: number,
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const said: { out: string[]; err: string[] } = { out: [], err: [] };
  const code = await runCli(args, {
    stdout: (text) => void said.out.push(text),
    stderr: (text) => void said.err.push(text),
    ...{ columns, env: { SIMWARD_API_DIR: dir, NO_COLOR: "1" }, signal: new AbortController().signal },
  });
  return { code, out: said.out.join(""), err: said.err.join("") };
}

/** One of each, of one package. */
function say(): string {
  return bus.begin("package", () => {
    bus.emit("esipa", "tx", { name: "ESipa.GetEimPackage", octets: getEimPackage, peer: "eim.example", note: "coaps" });
    const coap = {
      type: "CON",
      code: "0.02",
      messageId: 7,
      token: fromHex("A1"),
      options: { uriPath: [utf8("gsma")] },
      payload: getEimPackage,
    } as const;
    bus.emit("coap", "tx", { octets: encodeMessage(coap), peer: "192.0.2.7:5684" });
    bus.emit("apdu", "tx", { octets: fromHex("80E2910003BF2E00"), peer: "channel 1" });
    bus.emit("at", "tx", { text: 'AT+CGLA=1,16,"80E2910003BF2E00"' });
    bus.emit("at", "rx", { text: "+ICCID: 8949000000000000018" });
    bus.emit("apdu", "rx", { octets: fromHex("6115"), peer: "channel 1" });
    return traceId() ?? "";
  });
}

describe("what each role sees", () => {
  test("the engineer: everything but octets and CoAP, identifiers masked; asked for in full they are audited", async () => {
    const id = say();
    const { code, out } = await simward(["trace", "all", "--id", id, "--decode"]);
    expect(code).toBe(0);
    expect(out).toContain(`${id}`);
    expect(out).toContain("STORE DATA P1=91 P2=00 Lc=3");
    expect(out).toContain('AT+CGLA=1,16,"<8 octets>"');
    expect(out).toContain("5A eidValue: 8904…1235");
    expect(out).toContain("8949…0018");
    expect(out).not.toMatch(/CON POST|80E29100/);
    expect(out).not.toContain(eid);
    expect(audited).toEqual([]);
    expect((await simward(["trace", "esipa", "--decode", "--show-ids"])).out).toContain(eid);
    expect(audited).toEqual([{ act: "trace.read", role: "engineer", what: "identifiers", layers: "esipa, es9", traceId: null }]);
  });

  test("an identifier inside a certificate is masked like any other", async () => {
    // Of a certificate's shape, with the EID where its subject has it.
    const subject = concatBytes(
      writeTlv(0x30, writeTlv(0x13, utf8(eid))),
      writeTlv(0x30, new Uint8Array(0)),
      writeTlv(0x03, new Uint8Array(1)),
    );
    bus.emit("es10", "rx", {
      name: "ES10b.GetCerts",
      type: "GetCertsResponse",
      octets: writeTlv(0xbf56, writeTlv(0xa0, concatBytes(writeTlv(0xa5, subject), writeTlv(0xa6, subject)))),
    });
    const inHex = toHexUpper(utf8(eid));
    expect((await simward(["trace", "es10", "--decode", "--show-ids"])).out).toContain(inHex);
    const { out } = await simward(["trace", "es10", "--decode"]);
    expect(out).not.toContain(inHex.slice(8, -8));
    expect(out).toContain("ES10b.GetCerts");
  });

  test("the engineer's socket gives no octets, whatever is asked", async () => {
    say();
    for (const args of [
      ["trace", "coap"],
      ["trace", "apdu", "--octets"],
      ["trace", "all", "--pcap", join(dir, "x.pcap")],
    ]) {
      const { code, err } = await simward([...args, "--socket", join(dir, "engineer.sock")]);
      expect(code, args.join(" ")).toBe(5);
      expect(err).toContain("API_FORBIDDEN");
    }
    expect((await simward(["trace", "all", "--socket", join(dir, "viewer.sock")])).code).toBe(5);
  });

  test("the admin: CoAP, octets, captures; each reading is audited", async () => {
    say();
    expect((await simward(["trace", "coap"])).out).toMatch(/CON POST \/gsma mid 7 token A1 21 octets/);
    expect((await simward(["trace", "apdu", "--octets"])).out).toContain("80E2910003BF2E00");
    const file = join(dir, "x.pcap");
    const { err } = await simward(["trace", "all", "--pcap", file]);
    expect(err).toContain(`2 packets in ${file}`);
    expect((await readFile(file)).subarray(0, 4).toString("hex")).toBe("a1b2c3d4");
    expect(audited).toMatchObject([{ what: "octets", layers: "coap" }, { what: "octets", layers: "apdu" }, { what: "octets" }]);
  });

  test("what cannot be audited is not given out, and costs nobody but who asks", async () => {
    say();
    auditFails = true;
    for (const args of [
      ["trace", "apdu", "--octets", "--follow", "--after", "0"],
      ["trace", "apdu", "--octets"],
    ]) {
      const { code, out, err } = await simward(args);
      expect([args, code, out, err]).toEqual([args, 1, "", expect.stringContaining("AUDIT_WRITE")]);
    }
    expect((await simward(["trace", "status"])).code).toBe(0);
  });

  test("--after is for what follows, from the first that is remembered on", async () => {
    say();
    expect((await simward(["trace", "apdu", "--after", "0"])).code).toBe(2);
    const leave = new AbortController();
    const lines: string[] = [];
    const code = await runCli(["trace", "apdu", "--follow", "--after", "0", "--json"], {
      stdout: (text) => {
        lines.push(text);
        if (lines.length === 2) leave.abort();
      },
      stderr: () => undefined,
      ...{ columns: undefined, env: { SIMWARD_API_DIR: dir, NO_COLOR: "1" }, signal: leave.signal },
    });
    expect([code, lines.length]).toEqual([0, 2]);
  });

  test("it reads well at 40 columns", async () => {
    say();
    const { out } = await simward(["trace", "all", "--decode"], 40);
    for (const line of out.split("\n")) expect(line.length, line).toBeLessThanOrEqual(40);
  });
});

describe("what is kept", () => {
  test("is switched by the admin, with a reason, audited; who asks for nothing kept is told why", async () => {
    expect((await simward(["trace", "keep", "off"])).code).toBe(2);
    expect((await simward(["trace", "keep", "off", "--reason", "noise"])).out).toMatch(/Traces +off/);
    expect(audited).toEqual([{ act: "trace.set", role: "admin", enabled: "false", disk: null, reason: "noise" }]);
    say();
    const { out, err } = await simward(["trace", "at"]);
    expect(out).toBe("");
    expect(err).toContain("simward trace keep on");
    expect((await simward(["trace", "keep", "always", "--reason", "bench", "--json"])).out).toContain('"disk":"always"');
  });
});

describe("a request", () => {
  test("has a trace id; its error says it", async () => {
    const { err } = await simward(["profile", "list"]);
    expect(err).toMatch(/ref: +api-[0-9a-f]{4}-\d+/);
  });
});

describe("the log", () => {
  test("its last lines are masked; its level is changed by the admin, audited", async () => {
    log.info("modem.ready", { imei: "356938035643809", pin: "x" });
    log.debug("not told", {});
    const { out } = await simward(["log", "tail"]);
    expect(out).toMatch(/info +modem\.ready .*imei=3569…3809/s);
    expect(out).not.toContain("not told");
    expect((await simward(["log", "level"])).out).toBe("info\n");
    expect((await simward(["log", "level", "debug", "--reason", "looking"])).out).toBe("debug\n");
    expect(audited).toEqual([{ act: "log.level", role: "admin", from: "info", to: "debug", reason: "looking" }]);
    log.debug("told", { iccid: "8949000000000000018" });
    const later = (await simward(["log", "tail"])).out;
    expect(later).toContain("told");
    expect(later).not.toContain("8949000000000000018");
  });
});
