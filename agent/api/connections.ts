// The connections of one socket, bounded: for a newcomer beyond the bound the one idle for longest leaves, so that silence cannot keep anybody out.
import type { Socket } from "node:net";

interface Connection {
  readonly user: string;
  /** Requests that wait for their answers, or listen. */
  busy: number;
}

export interface Connections {
  add(socket: Socket, user: string): void;
  /** A request of it begins; answers what ends it. */
  busy(socket: Socket): () => void;
  readonly size: number;
}

/** In the order in which they were last of use, oldest first: that of the map. */
export function createConnections(most: number): Connections {
  const open = new Map<Socket, Connection>();

  /** The user with the most idle ones gives one up: the one that was of use longest ago. */
  function idleOne(): Socket | undefined {
    const idleOf = new Map<string, Socket[]>();
    for (const [socket, { user, busy }] of open) if (busy === 0) idleOf.set(user, [...(idleOf.get(user) ?? []), socket]);
    return [...idleOf.values()].reduce<Socket[]>((longest, one) => (one.length > longest.length ? one : longest), [])[0];
  }

  return {
    get size() {
      return open.size;
    },
    add(socket, user) {
      if (open.size >= most) {
        const leaving = idleOne() ?? socket;
        open.delete(leaving);
        leaving.destroy();
        if (leaving === socket) return;
      }
      open.set(socket, { user, busy: 0 });
      socket.once("close", () => open.delete(socket));
    },
    busy(socket) {
      const connection = open.get(socket);
      if (connection === undefined) return () => {};
      connection.busy++;
      let isBusy = true;
      return () => {
        if (!isBusy) return;
        isBusy = false;
        connection.busy--;
        // Of use a moment ago.
        if (open.delete(socket) && !socket.destroyed) open.set(socket, connection);
      };
    },
  };
}
