// What an indirect download costs on ESipa, with minimizeEsipaBytes and without: octets of message bodies, both ways, from the poll that brings the trigger to
// the poll that finds nothing more; the Bound Profile Package itself not counted. Counts, not speeds.
import { c, Vehicle } from "../ipa/support/vehicle.ts";

export interface DownloadRow {
  readonly encoding: "asn1" | "json";
  readonly minimized: boolean;
  /** By ESipa function: request and response octets. */
  readonly functions: readonly { readonly name: string; readonly upBytes: number; readonly downBytes: number }[];
  readonly bytes: number;
}

/** Both encodings, without and with. Throws when a download does not end well, or the profile is not on the card. */
export async function indirectDownloadOctets(): Promise<readonly DownloadRow[]> {
  const rows: DownloadRow[] = [];
  for (const encoding of ["asn1", "json"] as const) for (const minimized of [false, true]) rows.push(await measure(encoding, minimized));
  return rows;
}

/** Of the octets without, how many are not needed with it: 0 to 1. */
export function savedShare(rows: readonly DownloadRow[], encoding: DownloadRow["encoding"]): number {
  const bytes = (minimized: boolean): number =>
    rows.find((row) => row.encoding === encoding && row.minimized === minimized)?.bytes ?? Number.NaN;
  return 1 - bytes(true) / bytes(false);
}

async function measure(encoding: DownloadRow["encoding"], minimized: boolean): Promise<DownloadRow> {
  const binding = encoding === "json" ? "https-json" : "https";
  const peer = { eimId: "eim.example.com", binding, compat: { minimizeEsipaBytes: true } } as const;
  const vehicle = new Vehicle({ schemes: ["https"], ipa: { peers: [peer], eimFeatures: minimized ? ["minimizeEsipaBytes"] : [] } });
  // Long before: what the eIM knows of this eUICC, with either.
  vehicle.order({ kind: "ipaEuiccData", tags: ["A5", "A6", "BF20", "BF22", "A8"] });
  await vehicle.poll();
  const order = vehicle.download(c);
  const from = vehicle.events.length;
  const outcome = await vehicle.poll();
  if (outcome.error !== undefined || !vehicle.installed().includes(c) || vehicle.eim.order(order)?.state !== "done")
    throw outcome.error ?? new Error("the download did not end well");
  const events = vehicle.events.slice(from);
  const finished = events.find((event) => event.kind === "download.finished");
  const packageBytes = finished?.kind === "download.finished" ? finished.bytes : Number.NaN;
  const carried = encoding === "json" ? Math.ceil(packageBytes / 3) * 4 : packageBytes;
  const functions = events.flatMap((event) => {
    if (event.kind !== "step" || !event.name.startsWith("ESipa.")) return [];
    const { name, sentBytes, receivedBytes } = event;
    return [{ name, upBytes: sentBytes, downBytes: receivedBytes - (name === "ESipa.GetBoundProfilePackage" ? carried : 0) }];
  });
  const bytes = functions.reduce((sum, { upBytes, downBytes }) => sum + upBytes + downBytes, 0);
  return { encoding, minimized, functions, bytes };
}
