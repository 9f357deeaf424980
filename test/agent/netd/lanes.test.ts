// Who hangs delays nobody but who asks for the same: a charon that never answers, a power hook that does not come back, and the firewall meanwhile.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type NetdClient as AgentNetdClient, createNetdClient } from "../../../agent/data-path/netd-client.ts";
import { SystemClock } from "../../../base/clock.ts";
import { canNamespace, leftOut, NetdBench } from "./bench.ts";
import { tunnelRequest } from "./tunnel-request.ts";

/** charon's socket: it accepts, and says nothing until it is let go. */
class HangingCharon {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #onConnection: (() => void)[] = [];

  constructor(path: string) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket.on("error", () => {}).resume());
      for (const tell of this.#onConnection.splice(0)) tell();
    }).listen(path);
  }

  /** The next one, or one that is there. */
  asked(): Promise<void> {
    return this.#sockets.size > 0 ? Promise.resolve() : new Promise((resolve) => this.#onConnection.push(resolve));
  }

  /** Connections on which an answer is waited for. */
  get waiting(): number {
    return this.#sockets.size;
  }

  letGo(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  async close(): Promise<void> {
    this.letGo();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const rules = { interface: "wwan0", fleet: "block", tunnel: "none" };
let bench: NetdBench;
let charon: HangingCharon;
let agent: AgentNetdClient;

beforeAll(async () => {
  bench = await NetdBench.make();
  if (!canNamespace) return;
  bench.addNamespace();
  bench.ip("link", "add", "wwan0", "type", "veth", "peer", "name", "peer0");
  mkdirSync(join(bench.dir, "charon"));
  bench.start([
    ...["--interface", "wwan0", "--uid", "12345", "--socket", bench.socketPath, "--vici", join(bench.dir, "charon/charon.vici")],
    ...["--power-hook", join(bench.dir, "modem-power"), "--resolv", join(bench.dir, "resolv.conf")],
  ]);
  (await bench.client()).end();
});
afterAll(() => bench.close());

describe.skipIf(!canNamespace)(`simward-netd in a network namespace${leftOut}`, () => {
  beforeEach(() => {
    charon = new HangingCharon(join(bench.dir, "charon/charon.vici"));
    agent = createNetdClient({ path: bench.socketPath, clock: new SystemClock() });
  });
  afterEach(async () => {
    agent.close();
    await charon.close();
  });

  /** In the order of their ends. */
  const noting = (): { readonly ends: string[]; readonly note: <T>(what: string, asked: Promise<T>) => Promise<T | undefined> } => {
    const ends: string[] = [];
    return {
      ends,
      note: (what, asked) =>
        asked.then(
          (answer) => {
            ends.push(what);
            return answer;
          },
          (error: { readonly code?: string }) => {
            ends.push(`${what}: ${error.code}`);
            return undefined;
          },
        ),
    };
  };

  test.each(["tunnel", "tunnel-read", "tunnel-down"])(
    "the firewall and the interface are answered while %s waits for charon",
    async (verb) => {
      const { ends, note } = noting();
      const waiting = note(verb, agent.ask(verb, verb === "tunnel" ? tunnelRequest : {}));
      await charon.asked();
      const firewall = await note("firewall", agent.ask("firewall", rules));
      expect(firewall).toMatchObject({ present: true });
      await note("firewall-read", agent.ask("firewall-read", { interface: "wwan0" }));
      await note("link", agent.ask("link", { interface: "wwan0", state: "up" }));
      await note("firewall-off", agent.ask("firewall-off", { interface: "wwan0" }));
      expect(ends).toEqual(["firewall", "firewall-read", "link", "firewall-off"]);
      charon.letGo();
      await waiting;
      expect(ends.at(-1)).toMatch(new RegExp(`^${verb}`));
    },
  );

  test("verbs of the tunnel go one after the other, whoever asks them, and each asker's in their order", async () => {
    const { ends, note } = noting();
    const other = createNetdClient({ path: bench.socketPath, clock: new SystemClock() });
    const all = [note("down", agent.ask("tunnel-down", {}))];
    await charon.asked();
    all.push(
      note("other", other.ask("tunnel-read", {})),
      note("up", agent.ask("tunnel", tunnelRequest)),
      note("read", agent.ask("tunnel-read", {})),
    );
    await agent.ask("link", { interface: "wwan0", state: "up" });
    await other.ask("link", { interface: "wwan0", state: "up" });
    expect([ends, charon.waiting]).toEqual([[], 1]);
    charon.letGo();
    await all[0];
    expect(ends[0]).toBe("down");
    await charon.close();
    await Promise.all(all);
    const ended = ends.map((one) => one.replace(/:.*/, ""));
    // Who of two askers came first is the kernel's to say.
    expect(ended.filter((one) => one !== "other")).toEqual(["down", "up", "read"]);
    expect(ended).toContain("other");
    other.close();
    charon = new HangingCharon(join(bench.dir, "charon/charon.vici"));
  });

  test("the firewall is answered while the power hook runs", async () => {
    const { ends, note } = noting();
    const gate = join(bench.dir, "gate");
    const hook = join(bench.dir, "modem-power");
    execFileSync("/usr/bin/mkfifo", [gate]);
    // Until somebody writes there.
    writeFileSync(hook, `#!${process.execPath}\nrequire("node:fs").readFileSync(${JSON.stringify(gate)});\n`);
    chmodSync(hook, 0o755);
    const power = note("modem-power", agent.ask("modem-power", { action: "cycle" }));
    await note("firewall", agent.ask("firewall", rules));
    expect(ends).toEqual(["firewall"]);
    writeFileSync(gate, "");
    await power;
    expect(ends).toEqual(["firewall", "modem-power"]);
  });

  test("a question about the tunnel that is given up ends nobody else's connection: what keeps the firewall keeps it", async () => {
    let unkept = 0;
    agent.onFirewallUnkept(() => unkept++);
    await agent.ask("firewall", rules);
    const given = new AbortController();
    const read = agent.ask("tunnel-read", {}, given.signal);
    await charon.asked();
    given.abort(new Error("given up"));
    await expect(read).rejects.toThrow("given up");
    const altered = new Promise((resolve) => agent.onFirewallAltered(resolve));
    bench.inside("nft", "delete", "table", "inet", "simward");
    expect(await altered).toMatchObject({ how: "removed" });
    expect(unkept).toBe(0);
  });

  test("whoever has given up waiting is answered at once when he asks again", async () => {
    const given = new AbortController();
    const first = agent.ask("link", { interface: "wwan0", state: "up" });
    await first;
    const left = agent.ask("link", { interface: "wwan0", state: "down" }, given.signal);
    await Promise.resolve();
    given.abort(new Error("given up"));
    await expect(left).rejects.toThrow("given up");
    expect(await agent.ask("link", { interface: "wwan0", state: "up" })).toBeUndefined();
  });
});
