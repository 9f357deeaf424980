// A client of a UNIX socket that says exactly what it is told to, octet for octet, and hears what comes.
import { connect, type Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Sends it, and answers all that came until the other end closes, is silent for `quietMs`, or a piece of it is enough. */
export function say(
  path: string,
  octets: Uint8Array | string,
  { halfClose = true, quietMs = 2_000, enough = (_text: string): boolean => false } = {},
): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ path, allowHalfOpen: true });
    const end = (): void => {
      socket.destroy();
      resolve(Buffer.concat(chunks).toString("latin1"));
    };
    socket.setTimeout(quietMs, end);
    socket.on("error", end);
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      if (enough(chunk.toString("latin1"))) end();
    });
    socket.on("end", end);
    socket.on("close", end);
    socket.on("connect", () => {
      if (halfClose) socket.end(octets);
      else socket.write(octets);
    });
  });
}

/** A connection that stays; its errors are nobody's. */
export function hold(path: string, octets = ""): Promise<Socket> {
  return new Promise((resolve) => {
    // One that does not read would not notice its end.
    const socket = connect(path).resume();
    socket.on("error", () => resolve(socket));
    socket.once("close", () => resolve(socket));
    socket.once("connect", () => {
      if (octets !== "") socket.write(octets);
      resolve(socket);
    });
  });
}

/** The answers in what came, bodies by their content-length; throws where something stands there that is none. */
export function answersIn(text: string): RawAnswer[] {
  const out: RawAnswer[] = [];
  for (let rest = text; rest !== ""; ) {
    const [whole, status, lines = ""] = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(rest) ?? [];
    if (whole === undefined) throw new Error(`no answer: ${JSON.stringify(rest.slice(0, 200))}`);
    const headers = new Map(
      lines
        .split("\r\n")
        .filter((line) => line !== "")
        .map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()] as const),
    );
    const length = headers.has("content-length") ? Number(headers.get("content-length")) : rest.length;
    const hasBody = status !== "100" && status !== "204";
    out.push({ status: Number(status), headers, body: hasBody ? rest.slice(whole.length, whole.length + length) : "" });
    rest = hasBody ? rest.slice(whole.length + length) : rest.slice(whole.length);
  }
  return out;
}
