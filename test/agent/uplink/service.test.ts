// The uplink: told at its moment and soon after an alarm, again what was not taken, and without what a market keeps.
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Alarms, createAlarms } from "../../../agent/alarms.ts";
import { openAudit } from "../../../agent/audit/log.ts";
import { hashLine } from "../../../agent/audit/segment.ts";
import type { AuditLog } from "../../../agent/audit/types.ts";
import { parseConfig } from "../../../agent/config/load.ts";
import { uplinkPostOf } from "../../../agent/uplink/post.ts";
import type { UplinkReport } from "../../../agent/uplink/report.ts";
import { openUplink, type Uplink, type UplinkPost } from "../../../agent/uplink/service.ts";
import { SystemClock, VirtualClock } from "../../../base/clock.ts";
import { subDisk } from "../../../base/disk.ts";
import { SimwardError } from "../../../base/errors.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { createHttpsClient } from "../../../transports/https/client.ts";
import { makeCertificate, oids } from "../../support/test-pki.ts";

const hourMs = 3_600_000;

class Backend {
  readonly clock = new VirtualClock();
  readonly disk = faultDisk(seededRandom(1));
  readonly reports: UplinkReport[] = [];
  readonly alarms: Alarms = createAlarms();
  audit!: AuditLog;
  uplink!: Uplink;
  isUp = true;
  refusal: SimwardError | undefined;
  #onPath: ((path: { readonly up: boolean }) => void)[] = [];

  async start(toml = "", samples: readonly { readonly time: string }[] = []): Promise<this> {
    const config = parseConfig(`[modem]\naddress = "tcp:x:1"\n[uplink]\nurl = "https://f.example/v"\nca = "/ca.pem"\n${toml}`);
    const { clock, disk, alarms } = this;
    this.audit ??= await openAudit({ disk: subDisk(disk, "audit"), clock });
    const post: UplinkPost = async (report) => {
      if (this.refusal !== undefined) throw this.refusal;
      this.reports.push(report);
    };
    this.uplink = await openUplink({
      ...{ config, post, disk, clock, alarms, audit: this.audit, random: seededRandom(2), log: silentLog },
      samples: {
        async *leaving() {
          for (const one of samples) yield { ...one, timeSource: "network", online: true };
        },
      },
      identity: () => ({ eid: "89049032123451234512345678901235", imei: undefined }),
      stage: () => "operational",
      hasPath: () => this.isUp,
      onPath: (fn) => {
        this.#onPath.push(fn);
        return () => {};
      },
    });
    this.uplink.start();
    return this;
  }
  path(up: boolean): void {
    this.isUp = up;
    for (const fn of this.#onPath) fn({ up });
  }
}
const record = (backend: Backend, event: string, data = {}) => backend.audit.append({ event, cause: "test", data });
const seqs = ({ audit = [] }: UplinkReport): readonly number[] =>
  audit.map((one) => (typeof one === "string" ? (JSON.parse(one) as { readonly seq: number }).seq : one.seq));

describe("what is told", () => {
  test("a backend that does not answer at all is an alarm after half a day of attempts, and not before", async () => {
    const backend = new Backend();
    await backend.start("interval_seconds = 3600\n");
    backend.refusal = new SimwardError("HTTP_CONNECT", { detail: "f.example:443: ECONNREFUSED" });
    await record(backend, "x.happened", {});
    await backend.clock.advance(60_000);
    expect(backend.alarms.list()).toEqual([]);
    await backend.clock.advance(24 * hourMs);
    expect(backend.alarms.list()).toMatchObject([{ code: "UPLINK_FAILED" }]);
    backend.refusal = undefined;
    await backend.clock.advance(2 * hourMs);
    expect(backend.alarms.list()).toEqual([]);
    await backend.uplink.stop();
  });

  test("every record once, in order, over refusals and a restart; the head is an anchor", async () => {
    const backend = new Backend();
    await backend.start("interval_seconds = 3600\n");
    for (let n = 0; n < 3; n++) await record(backend, "x.happened", { n });
    await backend.clock.advance(2 * 60_000);
    expect(backend.reports.map(seqs)).toEqual([[1, 2, 3]]);
    expect(backend.reports[0]).toMatchObject({
      schema: "simward/uplink/1",
      auditHead: backend.audit.head,
      alarms: [],
      stage: "operational",
    });
    backend.refusal = new SimwardError("UPLINK_REFUSED", { detail: "f.example answers 503" });
    await record(backend, "x.happened", { n: 4 });
    await backend.clock.advance(6 * hourMs);
    expect(backend.reports).toHaveLength(1);
    expect(backend.alarms.list()).toMatchObject([{ code: "UPLINK_FAILED" }]);
    backend.refusal = undefined;
    await backend.clock.advance(2 * hourMs);
    expect(backend.reports.flatMap(seqs)).toEqual([1, 2, 3, 4]);
    expect(backend.alarms.list()).toEqual([]);
    await backend.uplink.stop();
    await record(backend, "x.happened", { n: 5 });
    await backend.start("interval_seconds = 3600\n");
    await backend.clock.advance(2 * 60_000);
    expect(backend.reports.flatMap(seqs)).toEqual([1, 2, 3, 4, 5]);
    await backend.uplink.stop();
  });

  test("a long trail goes in several reports of bounded size, one after the other", async () => {
    const backend = new Backend();
    await backend.start("max_report_bytes = 1024\n");
    for (let n = 0; n < 20; n++) await record(backend, "x.happened", { words: "w".repeat(100) });
    await backend.clock.advance(2 * 60_000);
    // One report after the other takes more turns than an advance waits for.
    for (let turn = 0; turn < 50 && backend.reports.flatMap(seqs).length < 20; turn++) await backend.clock.advance(1);
    expect(backend.reports.flatMap(seqs)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(backend.reports.length).toBeGreaterThan(5);
    for (const report of backend.reports) expect(JSON.stringify(report.audit).length).toBeLessThan(1_300);
    await backend.uplink.stop();
  });

  test("an alarm is told within half a minute, and without a path as soon as there is one", async () => {
    const backend = new Backend();
    await backend.start();
    await backend.clock.advance(2 * 60_000);
    expect(backend.reports).toHaveLength(1);
    backend.alarms.raise("apn", new SimwardError("POLICY_ALARM", { detail: "x" }));
    await backend.clock.advance(30_000);
    expect(backend.reports.at(-1)?.alarms).toMatchObject([{ code: "POLICY_ALARM" }]);
    backend.path(false);
    backend.alarms.clear("apn");
    await backend.clock.advance(hourMs);
    expect(backend.reports).toHaveLength(2);
    backend.path(true);
    await backend.clock.advance(30_000);
    expect(backend.reports.at(-1)?.alarms).toEqual([]);
    await backend.uplink.stop();
  });

  test("what a market keeps does not leave it: of its records the hash alone, so that the chain can be followed", async () => {
    const backend = new Backend();
    const lines: string[] = [];
    await backend.start('[market.TR]\nkeeps = ["audit"]\n');
    await record(backend, "network.changed", { country: "DE" });
    await record(backend, "x.happened", { secret: "in Germany" });
    await record(backend, "network.changed", { country: "TR" });
    await record(backend, "x.happened", { secret: "in Turkey" });
    await backend.clock.advance(2 * 60_000);
    await backend.uplink.stop();
    await record(backend, "x.happened", { secret: "later in Turkey" });
    await record(backend, "network.changed", { country: "BG" });
    await backend.start('[market.TR]\nkeeps = ["audit"]\n');
    await backend.clock.advance(2 * 60_000);
    for await (const line of backend.audit.lines({})) lines.push(line);
    const told = backend.reports.flatMap(({ audit = [] }) => audit);
    expect(JSON.stringify(told)).not.toContain("Turkey");
    expect(told.map((one) => (typeof one === "string" ? "line" : one.keptIn))).toEqual(["line", "line", "TR", "TR", "TR", "line"]);
    expect(told.map((one) => (typeof one === "string" ? hashLine(one) : one.sha256))).toEqual(lines.map(hashLine));
    await backend.uplink.stop();
  });

  test("samples, where they are to be sent, each once", async () => {
    const backend = new Backend();
    const samples = ["2026-01-01T00:00:00.000Z", "2026-01-01T00:15:00.000Z"].map((time) => ({ time }));
    await backend.start('sends = ["samples"]\ninterval_seconds = 3600\n', samples);
    await backend.clock.advance(3 * hourMs);
    expect(backend.reports.map(({ samples: told = [] }) => told.length)).toEqual([2, 0, 0, 0].slice(0, backend.reports.length));
    expect(backend.reports[0]?.audit).toBeUndefined();
    await backend.uplink.stop();
  });
});

describe("over ten years", () => {
  test("a clock that was ahead once keeps no later sample from being sent", async () => {
    const backend = new Backend();
    const samples = [{ time: "2026-01-01T00:00:00.000Z" }, { time: "2041-01-01T00:00:00.000Z" }];
    await backend.start('sends = ["samples"]\ninterval_seconds = 3600\n', samples);
    await backend.clock.advance(2 * 60_000);
    samples.push({ time: "2026-01-01T00:30:00.000Z" }, { time: "2026-01-01T00:45:00.000Z" });
    await backend.clock.advance(2 * hourMs);
    expect(backend.reports.flatMap(({ samples: told = [] }) => told.map(({ time }) => time))).toEqual(samples.map(({ time }) => time));
    await backend.uplink.stop();
  });

  test("an alarm that comes and goes costs a report in five minutes at most", async () => {
    const backend = new Backend();
    await backend.start();
    await backend.clock.advance(2 * 60_000);
    const before = backend.reports.length;
    for (let minute = 0; minute < 60; minute++) {
      backend.alarms.raise("apn", new SimwardError("POLICY_ALARM", { detail: "x" }));
      await backend.clock.advance(30_000);
      backend.alarms.clear("apn");
      await backend.clock.advance(30_000);
    }
    expect(backend.reports.length - before).toBeGreaterThan(5);
    expect(backend.reports.length - before).toBeLessThanOrEqual(12);
    await backend.uplink.stop();
  });
});

describe("over HTTPS", () => {
  test("to a backend that the fleet's root vouches for, with the token; to nobody else", async () => {
    const dir = await mkdtemp(join(tmpdir(), "simward-uplink-"));
    const root = makeCertificate({ name: "fleet root", ca: true });
    const other = makeCertificate({ name: "other root", ca: true });
    const leaf = makeCertificate({ name: "localhost", issuer: root, altNames: ["localhost"], extendedKeyUsage: [oids.serverAuth] });
    const got: { readonly authorization: string | undefined; readonly body: string }[] = [];
    let answer = 204;
    const server = createServer({ cert: leaf.chainPem, key: leaf.privateKeyPem }, (request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => (body += text));
      request.on("end", () => {
        got.push({ authorization: request.headers.authorization, body });
        response.writeHead(answer).end();
      });
    });
    server.listen(0, "localhost");
    await once(server, "listening");
    const { port } = server.address() as { readonly port: number };
    const https = createHttpsClient({ clock: new SystemClock() });
    const postOf = async (ca: string) => {
      await writeFile(join(dir, "ca.pem"), ca);
      const { uplink } = parseConfig(
        `[modem]\naddress = "tcp:x:1"\n[uplink]\nurl = "https://localhost:${port}/v?x=1"\nca = "${dir}/ca.pem"\ntoken_credential = "t"\n`,
      );
      return uplinkPostOf(uplink, https, async () => "secret");
    };
    const report = { schema: "simward/uplink/1" } as UplinkReport;
    const { signal } = new AbortController();
    const post = await postOf(root.pem);
    await post?.(report, signal);
    expect(got).toEqual([{ authorization: "Bearer secret", body: '{"schema":"simward/uplink/1"}' }]);
    answer = 503;
    await expect(post?.(report, signal)).rejects.toMatchObject({ code: "UPLINK_REFUSED" });
    await expect((await postOf(other.pem))?.(report, signal)).rejects.toMatchObject({ code: "TLS_UNTRUSTED" });
    expect(got).toHaveLength(2);
    await expect(postOf("nothing")).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    https.close();
    server.close();
    await rm(dir, { recursive: true, force: true });
  });
});
