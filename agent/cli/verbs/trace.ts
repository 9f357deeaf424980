// simward trace …: what goes over the interfaces, live or as kept, decoded, or as a capture for Wireshark.
import { open } from "node:fs/promises";
import { reasonOf, SimwardError } from "../../../base/errors.ts";
import type { TraceGap, TraceLayerName, TraceLine, TraceStatus } from "../../api/trace-types.ts";
import type { ApiClient } from "../client.ts";
import { createPcap } from "../pcap.ts";
import { renderTraceLine } from "../render-trace.ts";
import { streamEnd } from "../stream.ts";
import { asTyped, type CliContext, needReason, textOption, type Verb, type VerbInput, wholeNumberOption } from "../verb.ts";

const options = [
  { flags: "--last <n>", help: "how many of those that are kept", default: "50" },
  { flags: "-f, --follow", help: "go on as they come, until the daemon ends" },
  { flags: "--after <seq>", help: "with --follow: resume behind this sequence number" },
  { flags: "--id <trace>", help: "only this trace: the ref of an error, or traceId of an event or audit record" },
  { flags: "--decode", help: "as trees by the standards' names" },
  { flags: "--octets", help: "with the octets in hex; admin, audited" },
  { flags: "--pcap <file>", help: "write a capture for Wireshark instead (APDUs as GSMTAP, CoAP decrypted); admin, audited" },
];

function traceVerb(what: string, layers: readonly TraceLayerName[], summary: string, example: string): Verb {
  return { name: `trace ${what}`, summary, example, options, run: (context, input) => show(context, input, layers) };
}

export const traceAt = traceVerb("at", ["at"], "the module's line: commands, replies, URCs", "simward trace at --last 30");
export const traceApdu = traceVerb("apdu", ["apdu"], "commands to the card and its responses", "simward trace apdu --pcap card.pcap");
export const traceEs10 = traceVerb("es10", ["es10"], "ES10 functions, whole", "simward trace es10 --decode --last 4");
export const traceEsipa = traceVerb(
  "esipa",
  ["esipa", "es9"],
  "ESipa functions, whole, over any binding; and ES9+",
  "simward trace esipa --decode",
);
export const traceCoap = traceVerb("coap", ["coap"], "CoAP as it is inside DTLS; admin", "simward trace coap --follow");
export const traceDtls = traceVerb(
  "dtls",
  ["dtls", "https"],
  "DTLS records without content; HTTPS requests",
  "simward trace dtls --last 20",
);
export const traceAll = traceVerb(
  "all",
  ["at", "apdu", "es10", "esipa", "es9", "coap", "dtls", "https"],
  "everything, from the eIM's order down to the AT line; without CoAP for who is no admin",
  "simward trace all --last 100",
);

async function show({ api, out, signal }: CliContext, input: VerbInput, layers: readonly TraceLayerName[]): Promise<number | undefined> {
  const last = wholeNumberOption(input, "last", 1, 1_000_000) ?? 50;
  const after = wholeNumberOption(input, "after", 0, Number.MAX_SAFE_INTEGER);
  const id = textOption(input, "id");
  const file = textOption(input, "pcap");
  const follow = input.options.follow === true;
  const needsOctets = input.options.octets === true || file !== undefined || layers.every((layer) => layer === "coap");
  if (after !== undefined && !follow) throw new SimwardError("USAGE", { detail: "--after is where --follow resumes: give --follow too" });
  const client = api(needsOctets ? "admin" : "engineer");
  const path = needsOctets ? "/v1/trace/octets" : "/v1/trace";
  const asked = {
    layers: layers.filter((layer) => needsOctets || layer !== "coap").join(","),
    ...(id === undefined ? {} : { id }),
    ...(input.options.decode === true ? { decode: "true" } : {}),
    ...(out.showIds ? { show_ids: "true" } : {}),
  };
  const capture = file === undefined ? undefined : await captureTo(file);
  let previousMs: number | undefined;
  let lastSeq = 0;
  let count = 0;
  const print = (line: TraceLine): void => {
    const { octets: _octets, ...without } = line;
    const shown = input.options.octets === true ? line : without;
    const before = previousMs;
    previousMs = line.monotonicMs;
    out.line(shown, () => renderTraceLine(shown, out, before));
  };
  const take = (line: TraceLine | TraceGap): void => {
    if (line.schema === "simward/trace-gap/1") {
      out.hint(`what came behind ${line.after} is not remembered`);
      return;
    }
    count++;
    lastSeq = line.seq;
    if (capture === undefined) print(line);
    else capture.add(line);
  };
  try {
    if (after === undefined) {
      const stored = `${path}/stored?${new URLSearchParams({ ...asked, last: String(id === undefined ? last : 1_000_000) })}`;
      await client.lines(stored, (line) => takeAnd(take, line), signal);
      if (count === 0 && !follow) out.hint(await whyNothing(api("viewer")));
    }
    if (!follow) return undefined;
    // 0 where nothing was there: what comes between the two questions is remembered, and is not lost.
    const live = `${path}?${new URLSearchParams({ ...asked, after: String(after ?? lastSeq) })}`;
    return streamEnd(await client.lines(live, (line) => takeAnd(take, line), signal), out);
  } finally {
    if (capture !== undefined) {
      const { packets, unanswered } = await capture.close();
      out.hint(`${packets} packets in ${file}${unanswered === 0 ? "" : `; ${unanswered} commands without a response left out`}`);
    }
  }
}

function takeAnd(take: (line: TraceLine | TraceGap) => void, line: unknown): boolean {
  take(line as TraceLine | TraceGap);
  return true;
}

async function whyNothing(client: ApiClient): Promise<string> {
  const { enabled, layers } = await client.call<TraceStatus>("GET", "/v1/trace/status");
  return enabled ? `nothing that fits; kept are ${layers.join(", ")}` : "traces are switched off: simward trace keep on --reason …";
}

interface Capture {
  add(line: TraceLine): void;
  close(): Promise<{ readonly packets: number; readonly unanswered: number }>;
}

/** Throws DISK_WRITE. */
async function captureTo(path: string): Promise<Capture> {
  const fail = (error: unknown): never => {
    throw new SimwardError("DISK_WRITE", { detail: `${asTyped(path)}: ${reasonOf(error)}`, cause: error });
  };
  // It holds what the card and the eIM said: nobody else's to read.
  const file = await open(path, "w", 0o600).catch(fail);
  const pcap = createPcap();
  let packets = 0;
  let writing: Promise<unknown> = file.write(pcap.head);
  const write = (octets: Uint8Array): void => {
    if (octets.length === 0) return;
    packets++;
    writing = writing.then(() => file.write(octets));
    // Reported by `close`.
    writing.catch(() => undefined);
  };
  return {
    add: (line) => write(pcap.add(line)),
    async close() {
      await writing.catch(fail);
      await file.close();
      return { packets, unanswered: pcap.unanswered };
    },
  };
}

export const traceStatus: Verb = {
  name: "trace status",
  summary: "whether traces are kept, of which interfaces, and where",
  example: "simward trace status",
  async run({ api, out }) {
    const status = await api("viewer").call<TraceStatus>("GET", "/v1/trace/status");
    out.result(status, () => statusText(status, out));
    return undefined;
  },
};

export const traceKeep: Verb = {
  name: "trace keep",
  summary: "switch traces on or off, or say when they go to flash, until the daemon starts anew; admin, audited",
  example: 'simward trace keep always --reason "vehicle in the workshop"',
  args: [{ name: "what", help: "on, off; or for flash: never, failures, always", choices: ["on", "off", "never", "failures", "always"] }],
  async run({ api, out }, input) {
    const what = input.args[0] ?? "";
    if (!["on", "off", "never", "failures", "always"].includes(what))
      throw new SimwardError("USAGE", { detail: `${JSON.stringify(what)}: give on, off, never, failures or always` });
    const change = what === "on" || what === "off" ? { enabled: what === "on" } : { disk: what };
    const status = await api("admin").call<TraceStatus>("POST", "/v1/trace", { ...change, reason: needReason(input) });
    out.result(status, () => statusText(status, out));
    return undefined;
  },
};

function statusText(status: TraceStatus, out: CliContext["out"]): string {
  return out.fields([
    ["Traces", [status.enabled ? "on" : "off", `${status.entries} entries`, `${Math.round(status.memoryBytes / 1024)} KiB in memory`]],
    ["Interfaces", [status.layers.join(", ")]],
    [
      "Flash",
      [status.disk, `${status.keptTraces} failed operations kept`, ...(status.lostEntries > 0 ? [`${status.lostEntries} lost`] : [])],
    ],
  ]);
}
