// A line that a person typed, on the port that all other commands use: in its turn, with its deadline, and nothing of it understood.
import { declare } from "./declare.ts";
import type { AtPort, AtReply } from "./engine/types.ts";

export interface TypedOptions {
  /** 10 s by default. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export type TypedLines = (line: string, options?: TypedOptions) => Promise<AtReply>;

export function typedLines(link: { use<T>(signal: AbortSignal | undefined, job: (port: AtPort) => Promise<T>): Promise<T> }): TypedLines {
  return (line, { timeoutMs = 10_000, signal } = {}) => {
    const name = /^AT\s*([+#%^*]\w+)/i.exec(line)?.[1]?.toUpperCase();
    // A line that carries the command's own name answers it, though it may look like a URC; without its colon, so that it can be told from a bare one.
    return link.use(signal, (port) =>
      port.send(
        declare(line, line, name, { timeoutMs, prefixOptional: true, reads: false }, (reply) => ({
          ...reply,
          lines: reply.lines.map((rest) => (rest.startsWith(":") ? `${name ?? ""}${rest}` : rest)),
        })),
      ),
    );
  };
}
