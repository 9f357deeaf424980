// What modules say of the octets that their contexts carried; each make has a command of its own, and its own idea of what it counts.
import { declare, type Field, int, optional, query, queryAll } from "../declare.ts";
import type { AtCommand } from "../engine/types.ts";

/** One line of such an answer. `cid` undefined: of the module as a whole. */
export interface CounterLine {
  readonly cid: number | undefined;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** A count: digits, and few enough that the number is exact, also of several lines together, and of kilobytes as octets. */
function count<N extends string>(name: N): Field<N, number> {
  return {
    name,
    read: (field, refuse) => {
      if (field === undefined) return refuse("is missing");
      return /^\d{1,12}$/.test(field.text) ? Number(field.text) : refuse(`is not a count (${field.text.length} characters)`);
    },
  };
}

const qgdcntLine = query("+QGDCNT", "AT+QGDCNT?", "+QGDCNT:", [count("sent"), count("received")]);

/** Quectel: <sent>,<received> of all contexts. */
export const qgdcnt: AtCommand<readonly [], readonly CounterLine[]> = mapped(qgdcntLine, ({ sent, received }) => [
  { cid: undefined, sentBytes: sent, receivedBytes: received },
]);

const ugcntrdLines = queryAll("+UGCNTRD", "AT+UGCNTRD", "+UGCNTRD:", [
  ...([int("cid"), count("sentSession"), count("receivedSession")] as const),
  ...([optional(count("sentTotal")), optional(count("receivedTotal"))] as const),
]);

/** u-blox: a line for each context; of the session, and behind it in total, which is left out by some. */
export const ugcntrd: AtCommand<readonly [], readonly CounterLine[]> = mapped(ugcntrdLines, (lines) =>
  lines.map(({ cid, sentSession, receivedSession, sentTotal, receivedTotal }) =>
    sentTotal === undefined || receivedTotal === undefined
      ? { cid, sentBytes: sentSession, receivedBytes: receivedSession }
      : { cid, sentBytes: sentTotal, receivedBytes: receivedTotal },
  ),
);

const cniiLines = queryAll("+CNII", "AT+CNII?", "+CNII:", [int("index"), int("mtu"), count("received"), count("sent")]);

/** SIMCom SIM7080: a line for each of its own contexts, which are not numbered as +CGDCONT's; received stands before sent. */
export const cnii: AtCommand<readonly [], readonly CounterLine[]> = mapped(cniiLines, (lines) =>
  lines.map(({ sent, received }) => ({ cid: undefined, sentBytes: sent, receivedBytes: received })),
);

const gdatavolLines = queryAll("#GDATAVOL", "AT#GDATAVOL=2", "#GDATAVOL:", [
  ...([int("cid"), count("both"), count("sent"), count("received")] as const),
]);

/** Telit: in total, a line for each context. */
export const gdatavol: AtCommand<readonly [], readonly CounterLine[]> = mapped(gdatavolLines, (lines) =>
  lines.map(({ cid, sent, received }) => ({ cid, sentBytes: sent, receivedBytes: received })),
);

/** What Nordic's "kilobytes" are taken as; whether they are 1,000 or 1,024 octets is not said. */
export const kilobyteBytes = 1_024;

const xconnstatLine = query("%XCONNSTAT", "AT%XCONNSTAT?", "%XCONNSTAT:", [
  ...([count("smsSent"), count("smsReceived"), count("sentKilobytes"), count("receivedKilobytes")] as const),
]);

/** Nordic: messages sent and received, then kilobytes sent and received, since the collection was started. */
export const xconnstat: AtCommand<readonly [], readonly CounterLine[]> = mapped(xconnstatLine, ({ sentKilobytes, receivedKilobytes }) => [
  { cid: undefined, sentBytes: sentKilobytes * kilobyteBytes, receivedBytes: receivedKilobytes * kilobyteBytes },
]);

function mapped<R, S>(command: AtCommand<readonly [], R>, read: (value: R) => S): AtCommand<readonly [], S> {
  const { name, text, prefix, parse, ...options } = command;
  return declare(name, text, prefix, options, (reply) => read(parse(reply)));
}
