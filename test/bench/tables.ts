// The tables of `make bench`: octets counted, and times only as ratios of two things measured in the same run.
import { readFileSync } from "node:fs";
import * as asn1js from "asn1js";
import { fromHex } from "../../base/bytes.ts";
import { decode, encode } from "../../ipa/asn1/schema.ts";
import { typeByName } from "../../ipa/messages/registry.ts";
import { coldStatus } from "./cold-status.ts";
import { eimPollOctets } from "./eim-poll-coaps.ts";
import { httpsPollOctets } from "./eim-poll-https.ts";
import { type DownloadRow, indirectDownloadOctets, savedShare } from "./minimized-download.ts";

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  readonly note?: string;
}

interface Vector {
  readonly name: string;
  readonly type: string;
  readonly hex: string;
}

/** Milliseconds of one run of `work`, the best of several, so that what else the machine does counts least. */
function bestMs(work: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 7; round++) {
    const start = performance.now();
    work();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

async function codec(): Promise<Table> {
  const vectors = JSON.parse(readFileSync("test/vectors/sgp32-golden.json", "utf8")) as readonly Vector[];
  const items = vectors.map(({ type, hex }) => ({ type: typeByName(type), bytes: fromHex(hex) }));
  const values = items.map(({ type, bytes }) => decode(type, bytes));
  const times = 20;
  const repeat = (work: () => void) => (): void => {
    for (let i = 0; i < times; i++) work();
  };
  const reading = bestMs(
    repeat(() => {
      for (const { type, bytes } of items) decode(type, bytes);
    }),
  );
  const writing = bestMs(
    repeat(() => {
      for (const [i, { type }] of items.entries()) encode(type, values[i]);
    }),
  );
  const structure = bestMs(
    repeat(() => {
      for (const { bytes } of items) asn1js.fromBER(bytes);
    }),
  );
  const ratio = (ms: number): string => (ms / structure).toFixed(2);
  return {
    title: `Codec: ${items.length} golden messages, time over that of asn1js reading the bare TLV structure`,
    head: ["", "ratio"],
    rows: [
      ["asn1js, structure only", "1.00"],
      ["decode by type, checked", ratio(reading)],
      ["encode", ratio(writing)],
    ],
  };
}

async function poll(): Promise<Table> {
  const { rows, leafBytes, requestBytes, responseBytes } = await eimPollOctets();
  const https = await httpsPollOctets();
  const row = (...cells: readonly [string, string, string, number, number, string | number]): readonly (string | number)[] => {
    const [binding, connectionId, association, up, down, datagrams] = cells;
    return [binding, connectionId, association, up, down, up + down, datagrams];
  };
  return {
    title: "One eIM poll with nothing to do: octets of UDP payload (CoAP over DTLS 1.2) and of TCP payload (HTTPS over TLS 1.3)",
    head: ["", "Connection ID", "association", "up", "down", "both", "datagrams"],
    rows: [
      ...rows.map(({ suite, connectionId, kind, upBytes, downBytes, datagrams }) =>
        row(`CoAPs, ${suite}`, connectionId ? "yes" : "no", kind, upBytes, downBytes, datagrams),
      ),
      ...https.map(({ kind, upBytes, downBytes }) => row("HTTPS, TLS 1.3", "", kind, upBytes, downBytes, "")),
    ],
    note: `leaf certificate ${leafBytes} octets, request ${requestBytes}, response ${responseBytes}; DTLS: cookie exchange on, no tickets; TLS: without TCP's own segments`,
  };
}

async function download(): Promise<Table> {
  const rows = await indirectDownloadOctets();
  const of = (encoding: "asn1" | "json", minimized: boolean) =>
    rows.find((row) => row.encoding === encoding && row.minimized === minimized);
  const names = [...new Set(rows.flatMap(({ functions }) => functions.map(({ name }) => name)))];
  const octets = (row: DownloadRow | undefined, name: string): number =>
    (row?.functions ?? []).reduce((sum, one) => (one.name === name ? sum + one.upBytes + one.downBytes : sum), 0);
  const columns = [of("asn1", false), of("asn1", true), of("json", false), of("json", true)];
  const saved = (encoding: "asn1" | "json"): string => `${(savedShare(rows, encoding) * 100).toFixed(1)} % fewer`;
  return {
    title: "An indirect download over ESipa, octets of message bodies both ways, the Bound Profile Package not counted",
    head: ["", "ASN.1", "minimized", "JSON", "minimized"],
    rows: [
      ...names.map((name) => [name, ...columns.map((row) => octets(row, name))]),
      ["all", ...columns.map((row) => row?.bytes ?? 0)],
      ["with minimizeEsipaBytes", "", saved("asn1"), "", saved("json")],
    ],
  };
}

export const tables: readonly (() => Promise<Table>)[] = [codec, poll, download, coldStatus];
