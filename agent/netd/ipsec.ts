// The tunnel of the private APN: told to charon over vici, begun, ended and read. Keys go from the request to charon's memory and nowhere else.
// charon itself is systemd's (simward-charon.service): it is found there or it is not, and started again whatever ends it.
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, type ErrorCode, isCode, SimwardError } from "../../base/errors.ts";
import { childName, connectionOf, isOurs, nameOf, nameServersIn, type SaReport, saReports, secretsOf } from "./ipsec-messages.ts";
import { reasonIn } from "./ipsec-reasons.ts";
import type { TunnelWanted } from "./tunnel-arguments.ts";
import { listOf, textOf } from "./vici.ts";
import { demandSuccess, openVici, type ViciConnection } from "./vici-client.ts";

export interface IpsecOptions {
  /** charon's vici socket. */
  readonly vici: string;
  /** What its plugin `resolve` writes. */
  readonly tunnelResolv: string;
  /** Of the daemon: whose packets are the management's. */
  readonly uid: number;
  /** Runs ip(8). Throws NETD_FAILED. */
  readonly ip: (args: readonly string[]) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

/** What has become of the last attempt that this process made. */
export type Attempt =
  | { readonly state: "none" }
  | { readonly state: "under-way" }
  | { readonly state: "done" }
  | { readonly state: "failed"; readonly code: ErrorCode; readonly detail: string };

export interface TunnelReading {
  /** charon answers. */
  readonly running: boolean;
  readonly attempt: Attempt;
  /** Up: established, with a child installed. */
  readonly sa?: (SaReport & { readonly isLocal: boolean }) | undefined;
  readonly nameServers: readonly string[];
}

/** Of a question that charon answers from memory. */
const answerMs = 3_000;
/** What a gateway that is to be left has, to be told so. */
const farewellMs = 1_500;
/** Before charon's own rule, 220. */
const rulePriority = "219";
const mostLines = 200;

export class Ipsec {
  readonly #options: IpsecOptions;
  #attempt: Attempt = { state: "none" };
  #wanted: string | undefined;
  #cancel: AbortController | undefined;

  constructor(options: IpsecOptions) {
    this.#options = options;
  }

  /**
   * Has charon know the tunnel, and begins an attempt unless it is up or one is under way; how that ends `read` tells.
   * Throws TUNNEL_ABSENT, TUNNEL_CREDENTIAL, TUNNEL_FAILED, VICI_MESSAGE, DEADLINE, NETD_FAILED.
   */
  async up(wanted: TunnelWanted): Promise<void> {
    const name = nameOf(wanted);
    await this.#with(async (vici) => {
      const sas = await this.#list(vici);
      const present = sas.find((one) => one.name === name && isUp(one) && isLocal(one.localAddress));
      if (present !== undefined && (await this.#names(vici)).includes(name)) {
        this.#wanted = name;
        this.#attempt = { state: "done" };
        return;
      }
      if (this.#attempt.state === "under-way" && this.#wanted === name) return;
      this.#stopAttempt();
      await this.#forget(vici, sas, -1);
      await this.#manageOutside(wanted.management === "outside", wanted.table);
      await load(vici, "load-conn", { [name]: connectionOf(wanted) });
      for (const [command, message] of secretsOf(wanted)) await load(vici, command, message);
      this.#wanted = name;
      this.#begin(name, wanted.limitSeconds * 1_000);
    });
  }

  /** Whether or not there is one. Throws VICI_MESSAGE, DEADLINE. */
  async down(): Promise<void> {
    this.#stopAttempt();
    this.#wanted = undefined;
    this.#attempt = { state: "none" };
    await this.#manageOutside(false, undefined);
    try {
      await this.#with(async (vici) => this.#forget(vici, await this.#list(vici), farewellMs));
    } catch (error) {
      // Without charon there is none.
      if (!isCode(error, "TUNNEL_ABSENT")) throw error;
    }
  }

  /** Never throws TUNNEL_ABSENT: that charon does not run is an answer. Throws VICI_MESSAGE, DEADLINE. */
  async read(): Promise<TunnelReading> {
    try {
      const sas = await this.#with((vici) => this.#list(vici));
      const sa = sas.filter(isUp).find(({ name }) => this.#wanted === undefined || name === this.#wanted);
      if (sa === undefined) return { running: true, attempt: this.#attempt, nameServers: [] };
      const nameServers = nameServersIn(await readFile(this.#options.tunnelResolv, "utf8").catch(() => ""));
      return { running: true, attempt: this.#attempt, sa: { ...sa, isLocal: isLocal(sa.localAddress) }, nameServers };
    } catch (error) {
      if (!isCode(error, "TUNNEL_ABSENT")) throw error;
      return { running: false, attempt: this.#attempt, nameServers: [] };
    }
  }

  /** What is up stays up: whoever starts simward-netd again finds it. */
  close(): void {
    this.#stopAttempt();
  }

  // --- an attempt --------------------------------------------------------------------------------------------------------------

  #begin(name: string, limitMs: number): void {
    const cancel = new AbortController();
    this.#cancel = cancel;
    this.#attempt = { state: "under-way" };
    void this.#initiate(name, limitMs, cancel.signal).then((attempt) => {
      if (cancel.signal.aborted) return;
      this.#attempt = attempt;
      this.#options.log(attempt.state === "failed" ? `tunnel: ${attempt.code}: ${attempt.detail}` : "tunnel: up");
    });
  }

  /** On a connection of its own, so that other questions are answered meanwhile. Never rejects. */
  async #initiate(name: string, limitMs: number, signal: AbortSignal): Promise<Attempt> {
    const lines: string[] = [];
    try {
      return await this.#with(async (vici) => {
        const answer = await vici.request("initiate", {
          message: { child: childName, ike: name, timeout: String(limitMs), loglevel: "1" },
          limitMs: limitMs + answerMs,
          stream: {
            event: "control-log",
            on: (event) => {
              if (lines.length < mostLines) lines.push(textOf(event, "msg") ?? "");
            },
          },
          signal,
        });
        if (textOf(answer, "success") === "yes") return { state: "done" };
        // Half of a tunnel, or one that goes on trying behind our back, is none.
        await vici.request("terminate", { message: { ike: name, force: "yes", timeout: "-1" }, limitMs: answerMs });
        const isLate = /not established after/.test(textOf(answer, "errmsg") ?? "");
        return { state: "failed", ...reasonIn(lines, isLate) };
      });
    } catch (error) {
      const { code, message } = asSimwardError(error);
      return { state: "failed", code, detail: message };
    }
  }

  #stopAttempt(): void {
    this.#cancel?.abort(new SimwardError("ABORTED", { detail: "another tunnel is wanted" }));
    this.#cancel = undefined;
    if (this.#attempt.state === "under-way") this.#attempt = { state: "none" };
  }

  // --- charon ------------------------------------------------------------------------------------------------------------------

  async #with<T>(use: (vici: ViciConnection) => Promise<T>): Promise<T> {
    const vici = await openVici(this.#options.vici, this.#options.clock);
    try {
      return await use(vici);
    } finally {
      vici.close();
    }
  }

  async #list(vici: ViciConnection): Promise<readonly SaReport[]> {
    const sas: SaReport[] = [];
    await vici.request("list-sas", {
      message: { noblock: "yes" },
      limitMs: answerMs,
      stream: { event: "list-sa", on: (event) => void sas.push(...saReports(event)) },
    });
    return sas;
  }

  async #names(vici: ViciConnection): Promise<readonly string[]> {
    return listOf(await vici.request("get-conns", { limitMs: answerMs }), "conns").filter(isOurs);
  }

  /** No connection, no key, no secret of an earlier tunnel is left. */
  async #forget(vici: ViciConnection, sas: readonly SaReport[], waitMs: number): Promise<void> {
    for (const name of await this.#names(vici)) await vici.request("unload-conn", { message: { name }, limitMs: answerMs });
    for (const name of new Set(sas.map((one) => one.name)))
      await vici.request("terminate", { message: { ike: name, force: "yes", timeout: String(waitMs) }, limitMs: answerMs + farewellMs });
    await vici.request("clear-creds", { limitMs: answerMs });
  }

  // --- the management's way ----------------------------------------------------------------------------------------------------

  /** simwardd's own packets are not led into the tunnel: what reaches the vehicle must not hang on the fleet's gateway. */
  async #manageOutside(on: boolean, table: number | undefined): Promise<void> {
    const { uid, ip } = this.#options;
    for (const family of ["-4", "-6"]) {
      await ip([family, "rule", "delete", "priority", rulePriority]).catch(() => undefined);
      const rule = ["priority", rulePriority, "uidrange", `${uid}-${uid}`, "lookup", table === undefined ? "main" : String(table)];
      if (on) await ip([family, "rule", "add", ...rule]);
    }
  }
}

function isUp({ state, children }: SaReport): boolean {
  return state === "ESTABLISHED" && children.length > 0;
}

/** MOBIKE has followed, or there was nothing to follow: the tunnel's own end is an address of this machine still. */
function isLocal(address: string): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((one) => one.address === address) === true);
}

/** Throws TUNNEL_CREDENTIAL: all else was checked before. */
async function load(vici: ViciConnection, command: string, message: Parameters<ViciConnection["request"]>[1]["message"]): Promise<void> {
  const answer = await vici.request(command, { limitMs: answerMs, ...(message === undefined ? {} : { message }) });
  try {
    demandSuccess(command, answer);
  } catch (error) {
    throw new SimwardError("TUNNEL_CREDENTIAL", { detail: asSimwardError(error).message, cause: error });
  }
}
