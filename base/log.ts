// The log: JSON lines on stdout with journald priorities; identifiers masked from info upwards, secrets always.
import { type DestinationStream, pino } from "pino";
import type { Clock } from "./clock.ts";
import { maskSecrets, maskText, maskValue } from "./mask.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** The same log with fields added to each line. */
  child(fields: LogFields): Log;
}

/** The program's own log, whose level may change while it runs. */
export interface ProgramLog extends Log {
  level: LogLevel;
}

/** syslog(3) severities; journald reads them as `<n>` before a line (sd-daemon(3)). */
const priorities = { debug: 7, info: 6, warn: 4, error: 3 } as const;

export interface LogOptions {
  readonly level: LogLevel;
  readonly clock: Clock;
  readonly destination?: DestinationStream;
  /** For journald: its priority before each line. */
  readonly journald?: boolean;
  /** Told of each line as it is written, masked. */
  readonly onLine?: (line: string) => void;
}

export function createLog(options: LogOptions): ProgramLog {
  const out = options.destination ?? standardOutput();
  let priority: number = priorities.info;
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date(options.clock.now()).toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
      messageKey: "event",
    },
    {
      write: (line) => {
        options.onLine?.(line);
        out.write(options.journald === true ? `<${priority}>${line}` : line);
      },
    },
  );
  const make = (fixed: LogFields): Log => {
    const write = (level: keyof typeof priorities, event: string, fields: LogFields = {}): void => {
      if (!logger.isLevelEnabled(level)) return;
      const showIdentifiers = level === "debug";
      priority = priorities[level];
      logger[level](maskValue({ ...fixed, ...fields }, showIdentifiers) as object, showIdentifiers ? maskSecrets(event) : maskText(event));
    };
    return {
      debug: (event, fields) => write("debug", event, fields),
      info: (event, fields) => write("info", event, fields),
      warn: (event, fields) => write("warn", event, fields),
      error: (event, fields) => write("error", event, fields),
      child: (fields) => make({ ...fixed, ...fields }),
    };
  };
  return Object.defineProperty(make({}), "level", {
    get: () => logger.level,
    set: (level: LogLevel) => {
      logger.level = level;
    },
  }) as ProgramLog;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog };

/** A reader of the log that has gone is no reason to end. */
function standardOutput(): DestinationStream {
  const out = pino.destination({ dest: 1, sync: true });
  out.on("error", () => undefined);
  return out;
}
