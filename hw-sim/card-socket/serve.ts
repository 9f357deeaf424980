// The ways in which the built-in eUICC serves other people's tools, as the command line names them.
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { GuestCard } from "./guest.ts";
import { serveHttp } from "./http-server.ts";
import { serveLines } from "./lines-server.ts";
import { connectVpcd } from "./vpcd-card.ts";

/** vpcd: connects there; tcp, http: listens there. */
export interface CardServiceOption {
  readonly kind: "vpcd" | "tcp" | "http";
  readonly host: string;
  readonly port: number;
}

export interface CardService {
  readonly kind: CardServiceOption["kind"];
  /** Where the card is: host:port of the reader or of the server, or the URL of /apdu. */
  readonly address: string;
  close(): Promise<void>;
}

/** Throws SIM_OPTION when it cannot listen there. */
export async function serveCard(card: GuestCard, option: CardServiceOption, clock: Clock, log: Log): Promise<CardService> {
  const { kind, host, port } = option;
  switch (kind) {
    case "vpcd":
      return connectVpcd(card, { clock, host, port, log });
    case "tcp":
      return serveLines(card, host, port);
    case "http":
      return serveHttp(card, host, port);
  }
}
