// PDP contexts: defined as wanted without touching what is so already, brought up, described.
import type { Clock } from "../base/clock.ts";
import { SimwardError } from "../base/errors.ts";
import type { AtPort } from "./engine/types.ts";
import type { ModemOps } from "./family.ts";
import type { DataSession, PdpAuth } from "./modem.ts";
import { isRefusal } from "./retry.ts";
import type { PdpContext } from "./types.ts";

const addressLimitMs = 15_000;
const addressSpacingMs = 500;

/** Answers whether something was written. A definition in use is taken down first: the network learns of it at the next activation only. */
export async function ensureContext(ops: ModemOps, port: AtPort, wanted: PdpContext, auth: PdpAuth | undefined): Promise<boolean> {
  const isSo = same(await definition(ops, port, wanted.cid), wanted);
  if (isSo && auth === undefined) return false;
  if (!isSo) {
    await takeDown(ops, port, wanted.cid);
    await ops.defineContext(port, wanted);
  }
  if (auth !== undefined) await ops.authenticate(port, wanted.cid, auth);
  const readBack = await definition(ops, port, wanted.cid);
  if (!same(readBack, wanted))
    throw new SimwardError("AT_REPLY", {
      detail: `context ${wanted.cid} reads back as ${readBack === undefined ? "undefined" : `${readBack.type} ${JSON.stringify(readBack.apn)}`}`,
    });
  return true;
}

/** Attaches and activates as far as that is not so, and waits for the address. Throws what the network refused with, or DEADLINE. */
export async function connect(ops: ModemOps, port: AtPort, cid: number, clock: Clock, signal?: AbortSignal): Promise<DataSession> {
  if (!(await ops.isActive(port, cid))) {
    if (!(await ops.isAttached(port))) await ops.attach(port, true);
    // On LTE the attachment brings its context up by itself.
    if (!(await ops.isActive(port, cid))) await activate(ops, port, cid);
  }
  const endMs = clock.monotonicMs() + addressLimitMs;
  for (;;) {
    const session = await ops.session(port, cid);
    if (session !== undefined) return session;
    if (clock.monotonicMs() >= endMs)
      throw new SimwardError("DEADLINE", { detail: `context ${cid} got no address within ${addressLimitMs / 1_000} s` });
    await clock.sleep(addressSpacingMs, signal);
  }
}

async function activate(ops: ModemOps, port: AtPort, cid: number): Promise<void> {
  try {
    await ops.activate(port, cid, true);
  } catch (error) {
    // A bare ERROR may mean that it is active; what it is now decides.
    if (!isRefusal(error) || !(await ops.isActive(port, cid))) throw error;
  }
}

async function takeDown(ops: ModemOps, port: AtPort, cid: number): Promise<void> {
  if (!(await ops.isActive(port, cid))) return;
  try {
    await ops.activate(port, cid, false);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    // The last context of an LTE attachment cannot be taken down alone.
    await ops.attach(port, false);
  }
}

async function definition(ops: ModemOps, port: AtPort, cid: number): Promise<PdpContext | undefined> {
  return (await ops.contexts(port)).find((context) => context.cid === cid);
}

/** APNs are names of DNS: their case does not count. */
function same(found: PdpContext | undefined, wanted: PdpContext): boolean {
  return found !== undefined && found.type === wanted.type && found.apn.toLowerCase() === wanted.apn.toLowerCase();
}
