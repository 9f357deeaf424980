// A program that speaks AT by hand over a socket, and drives the card through +CCHO and +CGLA: for tests of the whole vehicle.
import { connect, type Socket } from "node:net";
import { concatBytes, fromHex, toHexUpper } from "../../../base/bytes.ts";
import { SystemClock } from "../../../base/clock.ts";

export const isdrAid = "A0000005591010FFFFFFFF8900000100";

export class AtClient {
  text = "";
  readonly #socket: Socket;
  readonly #waiting = new Set<() => void>();

  /** "host:port" or a path. */
  constructor(address: string) {
    const [, host, port] = /^(.+):(\d+)$/.exec(address) ?? [];
    this.#socket = port === undefined ? connect(address) : connect(Number(port), host ?? "");
    this.#socket.on("data", (bytes) => {
      this.text += bytes.toString("latin1");
      for (const check of [...this.#waiting]) check();
    });
    this.#socket.on("error", () => {});
  }

  close(): void {
    this.#socket.destroy();
  }

  seen(pattern: RegExp): Promise<string> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!pattern.test(this.text)) return;
        this.#waiting.delete(check);
        resolve(this.text);
      };
      this.#waiting.add(check);
      check();
    });
  }

  /** All that comes up to the final result code. */
  async command(line: string): Promise<string> {
    this.text = "";
    this.#socket.write(`${line}\r`);
    return this.seen(/\r\n(OK|ERROR|\+CME ERROR: [^\r]*)\r\n/);
  }

  /** Bare AT until the module answers: before it has booted it hears nothing. */
  async wake(): Promise<void> {
    const stop = new SystemClock().every(100, () => this.#socket.write("AT\r"));
    await this.seen(/\r\nOK\r\n/);
    stop();
    // Each AT has its own OK; what is asked next must not take one of them for its own.
    this.#socket.write("ATE0\r");
    await this.seen(/ATE0\r\r\nOK\r\n/);
  }

  /** Repeats a command until its answer is of that kind: modules boot, SIMs are busy. */
  async until(line: string, pattern: RegExp, pause: () => Promise<unknown>): Promise<string> {
    for (let answer = await this.command(line); ; answer = await this.command(line)) {
      if (pattern.test(answer)) return answer;
      await pause();
    }
  }

  async openIsdr(): Promise<string> {
    const session = /\+CCHO: (\S+)/.exec(await this.command(`AT+CCHO="${isdrAid}"`))?.[1];
    if (session === undefined) throw new Error(`+CCHO failed: ${this.text}`);
    return session;
  }

  /** One APDU; data and status word. */
  async apdu(session: string, hex: string): Promise<{ data: Uint8Array; sw: string }> {
    const answer = await this.command(`AT+CGLA=${session},${hex.length},"${hex}"`);
    const response = /\+CGLA: \d+,"([0-9A-F]+)"/.exec(answer)?.[1];
    if (response === undefined) throw new Error(`+CGLA failed: ${answer}`);
    return { data: fromHex(response.slice(0, -4)), sw: response.slice(-4) };
  }

  /** One ES10 command in blocks of STORE DATA; its response, and the status word that ends it. */
  async es10(session: string, command: Uint8Array, blockBytes = 120): Promise<{ response: Uint8Array; sw: string }> {
    const blocks = Math.max(1, Math.ceil(command.length / blockBytes));
    let answer = { data: new Uint8Array(0) as Uint8Array, sw: "" };
    for (let i = 0; i < blocks; i++) {
      const data = command.subarray(i * blockBytes, (i + 1) * blockBytes);
      const p1 = i === blocks - 1 ? 0x91 : 0x11;
      answer = await this.apdu(session, toHexUpper(concatBytes(Uint8Array.of(0x80, 0xe2, p1, i, data.length), data)));
      if (p1 === 0x11 && answer.sw !== "9000") throw new Error(`block ${i}: ${answer.sw}`);
    }
    const parts = [answer.data];
    while (answer.sw.startsWith("61")) {
      answer = await this.apdu(session, `00C00000${answer.sw.slice(2)}`);
      parts.push(answer.data);
    }
    return { response: concatBytes(...parts), sw: answer.sw };
  }
}
