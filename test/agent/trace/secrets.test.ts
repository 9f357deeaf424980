// Secrets never reach what a trace keeps, streams or writes into a capture: planted at random in every place where a peer may put them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TraceLine } from "../../../agent/api/trace-types.ts";
import { createPcap } from "../../../agent/cli/pcap.ts";
import type { TraceEntry } from "../../../agent/trace/entry.ts";
import { renderEntry } from "../../../agent/trace/render.ts";
import { openTraceStore, type TraceStore } from "../../../agent/trace/store.ts";
import { concatBytes, fromHex, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { createTraceBus, type TraceBus, traceLayers } from "../../../base/trace.ts";
import { encode } from "../../../ipa/asn1/schema.ts";
import { GetEimPackageResponse } from "../../../ipa/messages/esipa.ts";
import { AuthenticateServerRequest, PrepareDownloadRequest, ServerSigned1, SmdpSigned2 } from "../../../ipa/messages/rsp.ts";
import { encodeMessage } from "../../../transports/coap/message.ts";

interface Bench {
  readonly bus: TraceBus;
  readonly store: TraceStore;
  readonly disk: ReturnType<typeof faultDisk>;
  /** Everything that is kept or given out, as octets. */
  everything(): Promise<Buffer>;
}

async function bench(): Promise<Bench> {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const disk = faultDisk(random);
  const bus = createTraceBus({ clock, random });
  const config = { enabled: true, layers: [...traceLayers], memory_bytes: 1_048_576, disk: "always", ring_bytes: 1_048_576 } as const;
  const store = await openTraceStore({ bus, disk, config: { ...config, layers: [...traceLayers] }, clock, random, log: silentLog });
  const streamed: string[] = [];
  const options = { octets: true, tree: true, showIds: true };
  store.subscribe({}, 0, { entry: (entry) => streamed.push(JSON.stringify(renderEntry(entry, options))), gap: () => undefined });
  return {
    bus,
    store,
    disk,
    async everything() {
      const parts: Uint8Array[] = [];
      const pcap = createPcap();
      for await (const entry of store.stored({})) {
        const line = renderEntry(entry, options);
        parts.push(utf8(JSON.stringify(line)), entry.octets ?? new Uint8Array(0), pcap.add(line as TraceLine));
      }
      for (const name of await disk.list("")) parts.push((await disk.read(name)) ?? new Uint8Array(0));
      return Buffer.concat([...parts, utf8(streamed.join("\n"))]);
    },
  };
}

/** As it is, in hex and in the three phases of base64. */
function formsOf(secret: Uint8Array): readonly Buffer[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((phase) => {
    const text = Buffer.concat([Buffer.alloc(phase), bytes]).toString("base64");
    // Without the characters that its neighbours have a part in.
    return Buffer.from(text.slice(phase === 0 ? 0 : phase + 1, Math.floor(((phase + bytes.length) * 4) / 3) - 1));
  });
  return [bytes, Buffer.from(toHexUpper(secret)), Buffer.from(toHexUpper(secret).toLowerCase()), ...base64];
}

const matchingIds = fc.stringMatching(/^[A-Z0-9]{4}(-[A-Z0-9]{4,6}){2,4}$/);
const codes = fc.uint8Array({ minLength: 32, maxLength: 32 });

function expectAbsent(all: Buffer, secret: Uint8Array): void {
  for (const form of formsOf(secret)) expect(all.includes(form), form.toString("latin1").slice(0, 40)).toBe(false);
}

/** Nor a piece of it: fragments end anywhere. */
function expectNoPiece(all: Buffer, secret: Uint8Array): void {
  for (let at = 0; at + pieceOctets <= secret.length; at++) {
    const piece = Buffer.from(secret.subarray(at, at + pieceOctets));
    for (const form of [piece, Buffer.from(toHexUpper(piece))]) expect(all.includes(form), piece.toString("latin1")).toBe(false);
  }
}

const pieceOctets = 6;

/** A body as blocks of CoAP responses. */
function blocks(body: Uint8Array, size: number): { readonly octets: Uint8Array; readonly more: boolean }[] {
  const out: { octets: Uint8Array; more: boolean }[] = [];
  for (let at = 0; at < body.length; at += size) {
    const more = at + size < body.length;
    const message = {
      type: "ACK",
      code: "2.04",
      messageId: 7,
      token: fromHex("A1B2"),
      options: {},
      payload: body.subarray(at, at + size),
    } as const;
    out.push({ octets: encodeMessage(message), more });
  }
  return out;
}

function trigger(matchingId: string): Uint8Array {
  return encode(GetEimPackageResponse, {
    kind: "profileDownloadTriggerRequest",
    value: { profileDownloadData: { kind: "activationCode", value: `1$smdp.example$${matchingId}` } },
  });
}

describe("a secret, wherever it is", () => {
  test("matching id: in the eIM's order, cut anywhere into blocks, then in ES10, APDUs and AT lines", async () => {
    await fc.assert(
      fc.asyncProperty(
        matchingIds,
        fc.integer({ min: 16, max: 64 }),
        fc.integer({ min: 9, max: 250 }),
        fc.boolean(),
        async (id, blockBytes, apduBytes, isOrdered) => {
          const { bus, everything } = await bench();
          const order = trigger(id);
          // Of a download that a person orders, ES10 is the first to hear.
          if (isOrdered)
            for (const { octets, more } of blocks(order, blockBytes)) bus.emit("coap", "rx", { octets, more, peer: "192.0.2.7:5684" });
          if (isOrdered) bus.emit("esipa", "rx", { name: "ESipa.GetEimPackage", octets: order, last: true });
          const command = authenticateServer(id);
          bus.emit("es10", "tx", { name: "ES10b.AuthenticateServer", type: "AuthenticateServerRequest", octets: command });
          for (let at = 0; at < command.length; at += apduBytes) {
            const data = command.subarray(at, at + apduBytes);
            const apdu = concatBytes(Uint8Array.of(0x80, 0xe2, 0x11, 0, data.length), data);
            bus.emit("apdu", "tx", { octets: apdu });
            bus.emit("at", "tx", { text: `AT+CGLA=1,${apdu.length * 2},"${toHexUpper(apdu)}"` });
            bus.emit("apdu", "rx", { octets: concatBytes(data, fromHex("9000")) });
            bus.emit("at", "rx", { text: `+CGLA: ${data.length * 2 + 4},"${toHexUpper(data)}9000"` });
          }
          const all = await everything();
          expectAbsent(all, utf8(id));
          expectNoPiece(all, utf8(id));
        },
      ),
      { numRuns: 60, seed: 7 },
    );
  });

  test("what is not secret stays: names, lengths and the tree around it", async () => {
    const { bus, store } = await bench();
    bus.emit("es10", "tx", {
      name: "ES10b.AuthenticateServer",
      type: "AuthenticateServerRequest",
      octets: authenticateServer("QR7K-22MX"),
    });
    let entry: TraceEntry | undefined;
    for await (const one of store.stored({})) entry = one;
    const line = entry && renderEntry(entry, { octets: false, tree: true, showIds: false });
    expect(line?.cutBytes).toBe(9);
    expect(line?.tree?.find(({ name }) => name === "matchingId")).toMatchObject({ tag: "80", length: 9, value: '"*********"' });
    expect(line?.tree?.find(({ name }) => name === "serverAddress")).toMatchObject({ value: '"smdp.example"' });
    expect(line?.octets).toBeUndefined();
  });

  test("a body that never came whole is kept without its content", async () => {
    const { bus, everything, store } = await bench();
    const id = "QR7K-22MX-9ZZP";
    const [first] = blocks(trigger(id), 40);
    bus.emit("coap", "rx", { octets: first?.octets ?? new Uint8Array(0), more: true });
    bus.emit("esipa", "rx", { name: "ESipa.GetEimPackage", note: "coaps COAP_TIMEOUT", last: true });
    const all = await everything();
    expect(all.includes(Buffer.from("QR7K"))).toBe(false);
    expect(all.includes(Buffer.from("smdp.example"))).toBe(false);
    expect(store.state.entries).toBe(2);
  });

  test("matching ids of the eIM's answer, over CoAP and in JSON", async () => {
    await fc.assert(
      fc.asyncProperty(matchingIds, async (id) => {
        const { bus, everything } = await bench();
        const order = trigger(id);
        bus.emit("https", "rx", { octets: utf8(JSON.stringify({ matchingId: id, transactionId: "0102" })) });
        bus.emit("https", "rx", { octets: order });
        const json = {
          profileDownloadTriggerRequest: Buffer.from(order.subarray(3)).toString("base64"),
          activationCode: `1$a.example$${id}`,
        };
        bus.emit("esipa", "rx", { octets: utf8(JSON.stringify(json)), last: true });
        bus.emit("es9", "tx", { name: "ES9+.AuthenticateClient", text: JSON.stringify({ nested: { matchingId: id } }) });
        bus.emit("at", "rx", { text: `+QIURC: "${id}"` });
        bus.emit("dtls", "rx", { text: `alert ${id}`, note: undefined });
        expectAbsent(await everything(), utf8(id));
      }),
      { numRuns: 60, seed: 8 },
    );
  });

  test("the hashed confirmation code, in PrepareDownload and its APDUs", async () => {
    await fc.assert(
      fc.asyncProperty(codes, fc.integer({ min: 9, max: 200 }), async (hashCc, apduBytes) => {
        const { bus, everything } = await bench();
        const command = prepareDownload(hashCc);
        bus.emit("es10", "tx", { name: "ES10b.PrepareDownload", type: "PrepareDownloadRequest", octets: command });
        for (let at = 0; at < command.length; at += apduBytes) {
          const data = command.subarray(at, at + apduBytes);
          bus.emit("apdu", "tx", { octets: concatBytes(Uint8Array.of(0x80, 0xe2, 0x91, 0, data.length), data) });
        }
        const all = await everything();
        expectAbsent(all, hashCc);
        expectNoPiece(all, hashCc);
      }),
      { numRuns: 40, seed: 9 },
    );
  });

  test("PINs, passwords and APN credentials on the module's line", async () => {
    const lines = [
      ['AT+CPIN="SECRETPW"'],
      ['AT+CPWD="SC","SECRETPW","SECRETPW"'],
      ['AT+CLCK="SC",1,"SECRETPW"'],
      ['AT+CGAUTH=1,1,"user","SECRETPW"'],
      ['AT+QICSGP=1,1,"apn","user","SECRETPW",1'],
      ['AT$QCPDPP=1,1,"SECRETPW","user"'],
      ['AT#PDPAUTH=1,1,"user","SECRETPW"'],
      ['AT+UAUTHREQ=1,1,"SECRETPW","user"'],
      ["LPA:1$smdp.example$SECRETPW"],
    ];
    for (const [line = ""] of lines) {
      const { bus, everything } = await bench();
      bus.emit("at", "tx", { text: line });
      bus.emit("at", "rx", { text: line });
      expect((await everything()).includes(Buffer.from("SECRETPW")), line).toBe(false);
    }
  });
});

/** What has the structure of a certificate, and nothing in it. */
const certificate = fromHex("30083000300003020000");
const signature = new Uint8Array(64);

function prepareDownload(hashCc: Uint8Array): Uint8Array {
  const smdpSigned2 = { transactionId: fromHex("0102030405060708"), ccRequiredFlag: true };
  return encode(PrepareDownloadRequest, {
    smdpSigned2: { value: smdpSigned2, raw: encode(SmdpSigned2, smdpSigned2) },
    ...{ smdpSignature2: signature, hashCc, smdpCertificate: certificate },
  });
}

function authenticateServer(matchingId: string): Uint8Array {
  const serverSigned1 = {
    ...{ transactionId: fromHex("0102030405060708"), euiccChallenge: new Uint8Array(16) },
    ...{ serverAddress: "smdp.example", serverChallenge: new Uint8Array(16) },
  };
  return encode(AuthenticateServerRequest, {
    serverSigned1: { value: serverSigned1, raw: encode(ServerSigned1, serverSigned1) },
    ...{ serverSignature1: signature, euiccCiPKIdToBeUsed: new Uint8Array(20), serverCertificate: certificate },
    ctxParams1: {
      kind: "ctxParamsForCommonAuthentication",
      value: { matchingId, deviceInfo: { tac: fromHex("35690000"), deviceCapabilities: {} } },
    },
  });
}
